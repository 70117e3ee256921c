//! Embeds the browser files of `GraphiQL`, so that the page needs no network at run time.
//!
//! Their versions and digests are locked in `src/api/graphiql`, next to the page. The build also
//! works without npm: the page then loads the same files from a public CDN.
//!
//! The variable `AUTH_GATEWAY_GRAPHIQL` selects the source:
//!
//! - `embed`: embed the files, or fail. For release builds.
//! - `cdn`: use the CDN.
//! - unset: embed the files if possible, else use the CDN.

#![allow(
    clippy::disallowed_methods,
    reason = "Cargo configures a build script through the environment"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

const SOURCE: &str = "src/api/graphiql";
const LOCK: &str = "package-lock.json";
const SWITCH: &str = "AUTH_GATEWAY_GRAPHIQL";

/// The path below `node_modules` and the content type of each file.
const FILES: [(&str, &str); 4] = [
    ("graphiql/graphiql.min.css", "text/css; charset=utf-8"),
    ("graphiql/graphiql.min.js", "text/javascript; charset=utf-8"),
    ("react/umd/react.production.min.js", "text/javascript; charset=utf-8"),
    (
        "react-dom/umd/react-dom.production.min.js",
        "text/javascript; charset=utf-8",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    // Not PATH: an editor and a terminal have different ones, and each change would rebuild the
    // whole crate.
    println!("cargo::rerun-if-env-changed={SWITCH}");
    for input in ["build.rs".into(), source("package.json"), source(LOCK)] {
        println!("cargo::rerun-if-changed={}", input.display());
    }

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let switch = env::var(SWITCH).unwrap_or_default();
    let is_embedded = match switch.as_str() {
        "cdn" => false,
        "embed" => {
            install(&out.join("graphiql")).map_err(|cause| format!("GraphiQL cannot be embedded: {cause}"))?;
            true
        }
        "" => install(&out.join("graphiql")).map_or_else(warn, |()| true),
        other => {
            return Err(format!("{SWITCH} is \"{other}\"; it may be cdn, embed or unset").into());
        }
    };
    let files = if is_embedded { &FILES[..] } else { &[] };
    fs::write(out.join("graphiql_assets.rs"), generate(files)?)?;
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "`map_or_else` requires this signature")]
fn warn(cause: Box<dyn Error>) -> bool {
    println!(
        "cargo::warning=GraphiQL will load its packages from a public CDN in the browser, because {cause}; to embed \
         them, run `touch build.rs` and build again with npm (Node.js 18 or later) installed and its registry in reach."
    );
    false
}

/// Installs the files into `folder`, unless it contains them for the same lock file.
///
/// # Errors
/// If npm is missing, cannot download, or finds a package that differs from the lock file.
fn install(folder: &Path) -> Result<(), Box<dyn Error>> {
    // Written last, so that an interrupted installation is repeated.
    let marker = folder.join("installed-lock.json");
    let lock = fs::read(source(LOCK))?;
    let has_all = FILES.iter().all(|(path, _)| folder.join(name(path)).is_file());
    if has_all && fs::read(&marker).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }

    fs::create_dir_all(folder)?;
    for input in ["package.json", LOCK] {
        fs::copy(source(input), folder.join(input))?;
    }
    run_npm(folder)?;
    let modules = folder.join("node_modules");
    for (path, _) in FILES {
        fs::copy(modules.join(path), folder.join(name(path)))?;
    }
    // 25 MB, of which the build needs only the four files above.
    fs::remove_dir_all(modules)?;
    fs::write(marker, lock)?;
    Ok(())
}

fn run_npm(folder: &Path) -> Result<(), Box<dyn Error>> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(program)
        .current_dir(folder)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        // Without a network, npm's default timeouts would delay the build for minutes.
        .args(["--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm could not be started ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let cause = stderr
        .lines()
        .find_map(|line| {
            let line = line
                .strip_prefix("npm error ")
                .or_else(|| line.strip_prefix("npm ERR! "))?;
            line.starts_with("code ").then_some(line)
        })
        .unwrap_or("no error code");
    Err(format!("`npm ci` failed ({cause})").into())
}

fn generate(files: &[(&str, &str)]) -> Result<String, Box<dyn Error>> {
    let mut code = String::from(
        "/// The embedded files: name, content type, content. Empty when the page uses the CDN.\n\
         pub(crate) static EMBEDDED: &[(&str, &str, &[u8])] = &[\n",
    );
    for (path, content_type) in files {
        let name = name(path);
        // Relative to the generated file, which is beside the folder.
        writeln!(
            code,
            "    ({name:?}, {content_type:?}, include_bytes!(\"graphiql/{name}\")),"
        )?;
    }
    code.push_str("];\n");
    Ok(code)
}

fn source(file: &str) -> PathBuf {
    Path::new(SOURCE).join(file)
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
