//! The packages that the page loads.

include!(concat!(env!("OUT_DIR"), "/graphiql_assets.rs"));

const CDN: &str = "https://cdn.jsdelivr.net/npm/";

/// A file of a package: its path on the CDN, with the version of the lock file, and its digest for
/// Subresource Integrity.
pub(crate) struct PackageFile {
    path: &'static str,
    pub(crate) integrity: &'static str,
}

pub(crate) const STYLE: PackageFile = PackageFile {
    path: "graphiql@4.0.1/graphiql.min.css",
    integrity: "sha384-iY6i7GPnDiQXB5hGofQtjXSGkPCADwDBLE8qS5UZRnWvxrxbR7NFEJer+eA43dBd",
};

pub(crate) const SCRIPTS: [PackageFile; 3] = [
    PackageFile {
        path: "react@18.3.1/umd/react.production.min.js",
        integrity: "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
    },
    PackageFile {
        path: "react-dom@18.3.1/umd/react-dom.production.min.js",
        integrity: "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
    },
    PackageFile {
        path: "graphiql@4.0.1/graphiql.min.js",
        integrity: "sha384-uYyXfkJVrUpNj7jBTNkBW/MsVw1pcbcQXs5/2rubsgTFnZMt3Wznj0MlgOIHiP0S",
    },
];

impl PackageFile {
    pub(crate) fn name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    pub(crate) fn url(&self) -> String {
        format!("{CDN}{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA384, digest};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn package_files() -> impl Iterator<Item = PackageFile> {
        SCRIPTS.into_iter().chain([STYLE])
    }

    #[test]
    fn each_package_file_has_the_locked_version() {
        let package = include_str!("package.json");
        for file in package_files() {
            let (name, version) = file
                .path
                .split_once('/')
                .and_then(|(package, _)| package.split_once('@'))
                .unwrap_or_default();
            let dependency = format!("\"{name}\": \"{version}\"");
            assert!(package.contains(&dependency), "{dependency}");
        }
    }

    #[test]
    fn each_digest_is_the_digest_of_the_embedded_file() {
        for (name, _, content) in EMBEDDED {
            let sum = digest(&SHA384, content);
            let integrity = format!("sha384-{}", STANDARD.encode(sum));
            let file = package_files().find(|file| file.name() == *name);
            assert_eq!(file.map(|file| file.integrity), Some(integrity.as_str()), "{name}");
        }
    }
}
