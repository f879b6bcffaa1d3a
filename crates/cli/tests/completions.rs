//! Tab in real shells: bash of this machine, zsh and fish as `scripts/shells.sh` fetches them. Each line is typed with Tabs
//! in it and sent to a program of that name that says what it was called with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::terminal::User;
use crate::support::trib;

/// What is typed, and the line that comes of it.
const LINES: [(&str, &str); 9] = [
    ("redis-trib reshard --fr\tall --at\tal\t", "redis-trib reshard --from all --atomic always"),
    ("redis-trib reb\t--by mem\t", "redis-trib rebalance --by memory"),
    ("redis-trib join --dr\t", "redis-trib join --dry-run"),
    ("redis-trib man migrate-s\t", "redis-trib man migrate-slots"),
    ("redis-trib help forg\t", "redis-trib help forget-failed"),
    ("redis-trib lab stat\t--js\t", "redis-trib lab status --json"),
    ("redis-trib completions ba\t--name redis-c\t", "redis-trib completions bash --name redis-cli"),
    (
        "redis-cli --cluster reb\t--cluster-thr\t5",
        "redis-cli --cluster rebalance --cluster-threshold 5",
    ),
    ("valkey-cli --big\t", "valkey-cli --bigkeys"),
];

const NAMES: [&str; 3] = ["redis-trib", "redis-cli", "valkey-cli"];

/// A folder with the completions of a shell, and programs of those names.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn with_completions_of(shell: &str) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        for name in NAMES {
            let script = trib(&["completions", shell, "--name", name]).expect(0).stdout;
            fs::write(desk.path(&format!("_{name}")), script).unwrap();
            let program = desk.path(name);
            fs::write(&program, "#!/bin/sh\necho \"called: ${0##*/} $*.\"\n").unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Types the lines into the shell that this line starts in the folder.
    fn types(&self, shell: &str) {
        let home = self.folder.path().display();
        let line = format!(
            "cd {home}; HOME={home} ZDOTDIR={home} XDG_CONFIG_HOME={home} PATH={home}:$PATH exec {shell}"
        );
        let mut user = User::run(&line, &self.path("history"));
        user.sees("ready>");
        for (keys, line) in LINES {
            user.types(&format!("{keys}\r"));
            user.sees(&format!("called: {}.", line.trim_end()));
            user.sees("ready>");
        }
        user.types("exit\r");
        assert!(user.leaves(), "{shell}");
    }
}

/// A shell that was fetched for this test.
fn fetched(shell: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let path = root.join("target/shells/bin").join(shell);
    assert!(path.exists(), "{} is missing: run scripts/shells.sh", path.display());
    path.display().to_string()
}

#[test]
fn tab_in_bash() {
    let desk = Desk::with_completions_of("bash");
    desk.write("rc", "for name in _*; do . ./$name; done; PS1='ready> '\n");
    desk.types("bash --noprofile --rcfile rc -i");
}

#[test]
fn tab_in_zsh() {
    let desk = Desk::with_completions_of("zsh");
    desk.write(".zshenv", "module_path=($ZSH_MODULES)\nfpath=($ZDOTDIR $fpath)\n");
    desk.write(".zshrc", "autoload -U compinit; compinit -u -D; PS1='ready> '\n");
    desk.types(&format!("{} -i", fetched("zsh")));
}

#[test]
fn tab_in_fish() {
    let desk = Desk::with_completions_of("fish");
    fs::create_dir(desk.path("fish")).unwrap();
    desk.write(
        "fish/config.fish",
        "for name in _*; source $name; end\nfunction fish_prompt; echo 'ready> '; end\n\
         set -g fish_autosuggestion_enabled 0\nset -g fish_greeting\n",
    );
    desk.types(&format!("{} -i", fetched("fish")));
}
