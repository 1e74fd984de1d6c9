//! The program to start: where it is installed beside an app, and the environment it gets.
//!
//! Starts no process; checks files through a function that the caller passes.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The bundled folder's name, beside the app or among its resources.
const FOLDER: &str = "sidecar";

const NAME: &str = if cfg!(windows) { "llama-sidecar.exe" } else { "llama-sidecar" };

/// A program and the arguments before our own options, such as `python -m sidecar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<OsString>,
}

impl Program {
    /// A program without arguments of its own.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new() }
    }

    /// The requested program, else the one bundled with this app; `None` if there is none.
    ///
    /// `resources` is the app's resource folder, if it has one, as a Tauri app does.
    pub fn find(explicit: Option<&Path>, resources: Option<&Path>) -> Option<Self> {
        let app = std::env::current_exe().ok();
        find(explicit, resources, app.as_deref(), &|path| path.is_file()).map(Self::at)
    }
}

fn find(
    explicit: Option<&Path>,
    resources: Option<&Path>,
    app: Option<&Path>,
    is_file: &dyn Fn(&Path) -> bool,
) -> Option<PathBuf> {
    if let Some(path) = explicit {
        // Not checked: if it does not exist, the start fails with the reason, which is better than running another
        // program.
        return Some(path.to_owned());
    }
    let among_resources = resources.map(|folder| folder.join(FOLDER).join(NAME));
    let beside_the_app = app.map(places_beside).unwrap_or_default();
    among_resources.into_iter().chain(beside_the_app).find(|path| is_file(path))
}

/// Where installers put the folder: beside the executable on Windows, in the bundle on macOS, in lib on Linux.
fn places_beside(app: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (app.parent(), app.file_stem()) else { return Vec::new() };
    let mut places = vec![folder.join(FOLDER).join(NAME), folder.join(NAME)];
    if let Some(above) = folder.parent() {
        places.push(above.join("Resources").join(FOLDER).join(NAME));
        places.push(above.join("lib").join(name).join(FOLDER).join(NAME));
    }
    places
}

/// Prefixes of variables that would replace the Python or the libraries that the sidecar was built with.
const FOREIGN: [&str; 4] = ["PYTHON", "_PYI_", "_MEIPASS", "LD_PRELOAD"];

/// Kept although it has such a prefix: it only changes how text is encoded.
const KEPT: &str = "PYTHONUTF8";

const LIBRARIES: &str = "LD_LIBRARY_PATH";
const APP_IMAGE: &str = "APPDIR";

/// The environment for the sidecar: ours, without the variables that only concern this process.
///
/// An AppImage puts its own libraries before the system's; other programs must not load them. The user's entries stay.
pub(crate) fn environment(ours: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let ours: Vec<_> = ours.collect();
    let app_image = ours.iter().find(|(name, _)| name == APP_IMAGE).map(|(_, folder)| PathBuf::from(folder));
    ours.into_iter()
        .filter(|(name, _)| !is_foreign(name))
        .filter_map(|(name, value)| match &app_image {
            Some(folder) if name == LIBRARIES => Some((name, without(folder, &value)?)),
            _ => Some((name, value)),
        })
        .collect()
}

fn is_foreign(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    name != KEPT && FOREIGN.iter().any(|start| name.starts_with(start))
}

/// A search path without the entries inside a folder; `None` if no entry is left.
fn without(folder: &Path, value: &OsStr) -> Option<OsString> {
    let left: Vec<_> = std::env::split_paths(value).filter(|place| !place.starts_with(folder)).collect();
    if left.is_empty() { None } else { std::env::join_paths(left).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(explicit: Option<&str>, resources: Option<&str>, app: &str, there: &[PathBuf]) -> Option<PathBuf> {
        let is_file = |path: &Path| there.iter().any(|one| one == path);
        find(explicit.map(Path::new), resources.map(Path::new), Some(Path::new(app)), &is_file)
    }

    #[test]
    fn the_requested_program_is_preferred_to_a_bundled_one() {
        let bundled = Path::new("/app/sidecar").join(NAME);
        assert_eq!(found(Some("/mine"), Some("/app"), "/app/chat", &[bundled]), Some("/mine".into()));
    }

    #[test]
    fn the_bundled_program_is_found_where_each_installer_puts_it() {
        for folder in ["/opt/chat/bin/sidecar", "/opt/chat/Resources/sidecar", "/opt/chat/lib/chat/sidecar"] {
            let there = Path::new(folder).join(NAME);
            assert_eq!(found(None, None, "/opt/chat/bin/chat", std::slice::from_ref(&there)), Some(there));
        }
    }

    #[test]
    fn the_apps_resource_folder_is_searched_first() {
        let there = [Path::new("/resources/sidecar").join(NAME), Path::new("/opt/sidecar").join(NAME)];
        assert_eq!(found(None, Some("/resources"), "/opt/chat", &there), Some(there[0].clone()));
        assert_eq!(found(None, None, "/opt/chat", &there), Some(there[1].clone()));
    }

    #[test]
    fn nothing_is_found_if_nothing_is_installed() {
        assert_eq!(found(None, Some("/resources"), "/opt/chat", &[]), None);
    }

    fn cleaned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let text = |one: OsString| one.into_string().unwrap();
        let given = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        environment(given).into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn another_python_and_another_loader_do_not_reach_the_sidecar() {
        let left = cleaned(&[
            ("PYTHONPATH", "/stray"),
            ("PYTHONHOME", "/stray"),
            ("_PYI_APPLICATION_HOME_DIR", "/stray"),
            ("LD_PRELOAD", "stray.so"),
            ("PYTHONUTF8", "1"),
            ("LLAMA_SIDECAR_DATA_DIR", "/data"),
        ]);
        assert_eq!(left, [("PYTHONUTF8", "1"), ("LLAMA_SIDECAR_DATA_DIR", "/data")].map(|(a, b)| (a.into(), b.into())));
    }

    #[cfg(unix)]
    #[test]
    fn the_libraries_of_an_app_image_stay_with_it() {
        let libraries = |value| cleaned(&[("APPDIR", "/tmp/.mount_x"), ("LD_LIBRARY_PATH", value)]);
        assert_eq!(libraries("/tmp/.mount_x/usr/lib:/opt/cuda/lib")[1].1, "/opt/cuda/lib");
        assert_eq!(libraries("/tmp/.mount_x/usr/lib").len(), 1);
        assert_eq!(cleaned(&[("LD_LIBRARY_PATH", "/mine")]), [("LD_LIBRARY_PATH".into(), "/mine".into())]);
    }
}
