//! Sizes for people.

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A number of bytes in the unit that suits it.
///
/// ```
/// use redistrib_cli::render::bytes;
/// assert_eq!(bytes(1023), "1023 B");
/// assert_eq!(bytes(1536), "1.5 KiB");
/// assert_eq!(bytes(u64::MAX), "16.0 EiB");
/// ```
pub fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    let mut size = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // What would be rounded to 1024.0 has its place in the next unit.
    while size >= 1023.95
        && let Some(next) = units.next()
    {
        size /= 1024.0;
        unit = Some(next);
    }
    format!("{size:.1} {}", unit.copied().unwrap_or_default())
}
