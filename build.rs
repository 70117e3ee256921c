//! Embeds the browser files of `GraphiQL`, so that the page needs no network at run time.
//!
//! Their versions and digests are locked next to the page, in `src/api/graphiql`. A machine without npm can
//! still build: the page then names the same files on a public CDN.
//!
//! `AUTH_GATEWAY_GRAPHIQL=cdn` chooses that on purpose, `AUTH_GATEWAY_GRAPHIQL=embed` makes it an error instead,
//! for release builds. Unset means: embed if possible.

#![allow(
    clippy::disallowed_methods,
    reason = "a build script is told everything through the environment"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

const SOURCE: &str = "src/api/graphiql";
const LOCK: &str = "package-lock.json";
const SWITCH: &str = "AUTH_GATEWAY_GRAPHIQL";

/// Path below `node_modules`, and the content type to serve it with.
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
    // Not PATH: it differs between an editor and a terminal, and each change would rebuild the whole crate.
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

#[allow(clippy::needless_pass_by_value, reason = "the signature that `map_or_else` asks for")]
fn warn(cause: Box<dyn Error>) -> bool {
    println!(
        "cargo::warning=GraphiQL will load its packages from a public CDN in the browser, because {cause}; to embed \
         them, run `touch build.rs` and build again with npm (Node.js 18 or later) installed and its registry in reach."
    );
    false
}

/// Puts the files into `folder`, unless they are there already for the same lock.
///
/// # Errors
///
/// When npm is missing, cannot download, or meets a package that differs from the lock.
fn install(folder: &Path) -> Result<(), Box<dyn Error>> {
    // Written last, so that an interrupted installation does not count.
    let done = folder.join("installed-lock.json");
    let lock = fs::read(source(LOCK))?;
    let has_all = FILES.iter().all(|(path, _)| folder.join(name(path)).is_file());
    if has_all && fs::read(&done).is_ok_and(|installed| installed == lock) {
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
    // 25 MB, of which the four files above are the only ones wanted.
    fs::remove_dir_all(modules)?;
    fs::write(done, lock)?;
    Ok(())
}

fn run_npm(folder: &Path) -> Result<(), Box<dyn Error>> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(program)
        .current_dir(folder)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        // Without a network, npm's own patience would hold up the build for minutes.
        .args(["--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm could not be started ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let cause = said
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
         static EMBEDDED: &[(&str, &str, &[u8])] = &[\n",
    );
    for (path, content_type) in files {
        let name = name(path);
        // Relative to the generated file, which lies beside the folder.
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
