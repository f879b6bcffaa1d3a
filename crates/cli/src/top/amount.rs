//! Numbers for narrow columns.

/// A number in at most five characters.
///
/// ```
/// use redistrib_cli::top::amount::short;
/// assert_eq!([short(999), short(12_345), short(1_500_000)], ["999", "12.3k", "1.5M"]);
/// ```
pub fn short(count: u64) -> String {
    scaled(count, 1000.0, &["", "k", "M", "G", "T", "P", "E"])
}

/// A number of bytes in at most six characters, in powers of 1024.
///
/// ```
/// use redistrib_cli::top::amount::size;
/// assert_eq!([size(1023), size(1536), size(10 << 20)], ["1023B", "1.5K", "10.0M"]);
/// ```
pub fn size(bytes: u64) -> String {
    scaled(bytes, 1024.0, &["B", "K", "M", "G", "T", "P", "E"])
}

fn scaled(count: u64, step: f64, units: &[&str]) -> String {
    let (mut amount, mut unit) = (count as f64, 0);
    // What would be rounded up to a whole step has its place in the next unit.
    while amount >= step - 0.05 && unit + 1 < units.len() {
        amount /= step;
        unit += 1;
    }
    match (unit, amount) {
        (0, _) => format!("{count}{}", units[0]),
        (_, 100.0..) => format!("{amount:.0}{}", units[unit]),
        _ => format!("{amount:.1}{}", units[unit]),
    }
}
