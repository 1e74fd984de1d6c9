//! Where the program may be unpacked: in the user's cache, or where that is not possible, in a private folder elsewhere.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::system;

/// What moves the cache, for messages.
#[cfg(windows)]
pub const VARIABLE: &str = "LOCALAPPDATA";
#[cfg(target_os = "macos")]
pub const VARIABLE: &str = "HOME";
#[cfg(all(unix, not(target_os = "macos")))]
pub const VARIABLE: &str = "XDG_CACHE_HOME";

const NAME: &str = "llama-sidecar";
const BELOW: &str = "frozen";

#[derive(Clone, Copy)]
enum System {
    #[cfg_attr(not(windows), allow(dead_code))]
    Windows,
    #[cfg_attr(not(target_os = "macos"), allow(dead_code))]
    Mac,
    #[cfg_attr(any(windows, target_os = "macos"), allow(dead_code))]
    Other,
}

/// The folders of this user to try, best first. None has to exist.
pub fn here() -> Vec<PathBuf> {
    let os = if cfg!(windows) {
        System::Windows
    } else if cfg!(target_os = "macos") {
        System::Mac
    } else {
        System::Other
    };
    places(os, |name| env::var_os(name), env::home_dir(), env::temp_dir(), &system::user())
}

fn places(
    os: System,
    variable: impl Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
    temporary: PathBuf,
    user: &str,
) -> Vec<PathBuf> {
    // The XDG specification has relative paths ignored; elsewhere they would mean another folder at each start.
    let named = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute());
    let cache = match os {
        System::Windows => named("LOCALAPPDATA").or(home.map(|home| home.join("AppData").join("Local"))),
        System::Mac => home.map(|home| home.join("Library").join("Caches")),
        System::Other => named("XDG_CACHE_HOME").or(home.map(|home| home.join(".cache"))),
    };
    let of_the_session = match os {
        System::Other => named("XDG_RUNTIME_DIR"),
        _ => None,
    };
    let private = [cache, of_the_session].into_iter().flatten().map(|place| place.join(NAME).join(BELOW));
    // Every user can make folders there, so it carries the user's name, and is checked closely.
    private.chain([temporary.join(format!("{NAME}-{BELOW}-{user}"))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(os: System, variables: &[(&str, &str)], home: Option<&str>) -> Vec<String> {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        places(os, variable, home.map(PathBuf::from), PathBuf::from("/tmp"), "7")
            .into_iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    const LAST: &str = "/tmp/llama-sidecar-frozen-7";

    #[test]
    fn the_users_cache_comes_first() {
        assert_eq!(paths(System::Other, &[], Some("/h")), ["/h/.cache/llama-sidecar/frozen", LAST]);
        assert_eq!(paths(System::Mac, &[], Some("/h")), ["/h/Library/Caches/llama-sidecar/frozen", LAST]);
        assert_eq!(paths(System::Windows, &[], Some("/h")), ["/h/AppData/Local/llama-sidecar/frozen", LAST]);
    }

    #[test]
    fn it_is_moved_as_the_system_has_it() {
        let moved = [("XDG_CACHE_HOME", "/c"), ("LOCALAPPDATA", "/l"), ("XDG_RUNTIME_DIR", "/r")];
        let found = ["/c/llama-sidecar/frozen", "/r/llama-sidecar/frozen", LAST];
        assert_eq!(paths(System::Other, &moved, Some("/h")), found);
        assert_eq!(paths(System::Mac, &moved, Some("/h"))[0], "/h/Library/Caches/llama-sidecar/frozen");
        assert_eq!(paths(System::Windows, &moved, Some("/h")), ["/l/llama-sidecar/frozen", LAST]);
    }

    #[test]
    fn what_is_no_absolute_path_is_none() {
        let relative = [("XDG_CACHE_HOME", "c"), ("XDG_RUNTIME_DIR", "")];
        assert_eq!(paths(System::Other, &relative, Some("/h")), ["/h/.cache/llama-sidecar/frozen", LAST]);
        assert_eq!(paths(System::Other, &relative, Some("h")), [LAST]);
        assert_eq!(paths(System::Other, &[], None), [LAST]);
    }
}
