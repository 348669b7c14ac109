//! Which of several equivalent programs this machine has.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// The first candidate that is found on PATH, in the order of the candidates.
pub fn on_path(candidates: &[String]) -> Option<PathBuf> {
    find(candidates, &env::var_os("PATH")?)
}

fn find(candidates: &[String], path: &OsStr) -> Option<PathBuf> {
    // A program runs in its own data folder, so a relative folder on PATH would be another one there.
    let folders: Vec<PathBuf> = env::split_paths(path).filter(|folder| folder.is_absolute()).collect();
    candidates.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_candidate_wins_wherever_it_is_on_path_if_it_can_be_executed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, mode) in [("1/redis", 0o755), ("2/valkey", 0o755), ("1/data", 0o644)] {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), "").unwrap();
            fs::set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
        }
        let search = env::join_paths(["relative".into(), path("1"), path("2")]).unwrap();
        let check = |candidates: &[&str], expected: Option<&str>| {
            let candidates: Vec<String> = candidates.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(find(&candidates, &search), expected.map(path), "{candidates:?}");
        };
        check(&["valkey", "redis"], Some("2/valkey"));
        check(&["redis", "valkey"], Some("1/redis"));
        check(&["data", "redis"], Some("1/redis"));
        check(&["none"], None);
        check(&[], None);
    }
}
