//! The binary and what it said.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A folder with files, in which commands run.
pub(crate) struct Folder(TempDir);

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    /// With these files; names may have folders.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs `parapet` here with these words.
    pub(crate) fn parapet(&self, words: &[&str]) -> Said {
        self.run(Command::new(env!("CARGO_BIN_EXE_parapet")).args(words))
    }

    /// Runs it as kubectl does that finds it as its plugin; `kubeconfig` is what the environment names.
    #[cfg(unix)]
    pub(crate) fn kubectl_parapet(&self, words: &[&str], kubeconfig: &str) -> Said {
        let plugin = self.path("kubectl-parapet");
        if !plugin.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_parapet"), &plugin).unwrap();
        }
        self.run(Command::new(&plugin).args(words).env("KUBECONFIG", kubeconfig))
    }

    fn run(&self, command: &mut Command) -> Said {
        let output = command.current_dir(self.0.path()).env("NO_COLOR", "1").output().unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
