//! Which file uses which: the paths of a crate, resolved to the files that define their items.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::source::{SourceTree, production_code};

/// A path from the crate's root (`crate`, `store`, `Database`) or from another crate (`redis`,
/// `Client`).
type ItemPath = Vec<String>;

pub struct ModuleGraph {
    modules: BTreeMap<ItemPath, Module>,
}

#[derive(Default)]
struct Module {
    file: String,
    /// The items that the file itself defines.
    definitions: BTreeSet<String>,
    /// What `use` brings into the module, by the name that it has there.
    imports: BTreeMap<String, ItemPath>,
    globs: Vec<ItemPath>,
    uses: Vec<Use>,
}

struct Use {
    path: ItemPath,
    is_public_import: bool,
}

impl ModuleGraph {
    pub fn new(tree: &SourceTree) -> Self {
        let parsed = tree
            .0
            .iter()
            .map(|(file, text)| (module_path(file), Parser::parse(file, text)));
        let mut graph = Self {
            modules: parsed.collect(),
        };
        let names: BTreeSet<ItemPath> = graph.modules.keys().cloned().collect();
        for (name, module) in &mut graph.modules {
            module.make_absolute(name, &names);
        }
        graph
    }

    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.modules.values().map(|module| module.file.as_str())
    }

    /// The paths that a file names, from the crate's root, except those into the file itself.
    pub fn paths(&self, file: &str) -> impl Iterator<Item = String> {
        let own = module_path(file);
        let module = &self.modules[&own];
        let paths = module.uses.iter().map(|used| &used.path);
        paths
            .filter(move |path| !path.starts_with(&own))
            .map(|path| path.join("::"))
    }

    /// The files whose items a file uses, and one path to each.
    pub fn edges(&self, file: &str) -> BTreeMap<String, String> {
        let module = &self.modules[&module_path(file)];
        // A folder's `mod.rs` publishes its files' items, and does not use them.
        let publishes = file.ends_with("mod.rs") || file == "lib.rs";
        let uses = module.uses.iter().filter(|used| !(publishes && used.is_public_import));
        uses.filter_map(|used| {
            Some((
                self.defining_file(&used.path, &mut BTreeSet::new())?,
                used.path.join("::"),
            ))
        })
        .filter(|(target, _)| target != file)
        .collect()
    }

    /// The file that defines the item, through imports that publish it elsewhere.
    fn defining_file(&self, path: &ItemPath, visited: &mut BTreeSet<ItemPath>) -> Option<String> {
        if path[0] != "crate" || !visited.insert(path.clone()) {
            return None;
        }
        let length = (1..=path.len())
            .rev()
            .find(|length| self.modules.contains_key(&path[..*length]))?;
        let (module, rest) = (&self.modules[&path[..length]], &path[length..]);
        let Some(name) = rest.first().filter(|name| !module.definitions.contains(*name)) else {
            return Some(module.file.clone());
        };
        if let Some(import) = module.imports.get(name) {
            let target = [import, &rest[1..]].concat();
            return self
                .defining_file(&target, visited)
                .or_else(|| Some(module.file.clone()));
        }
        let through_glob = module.globs.iter().filter(|glob| self.has_item(glob, name));
        let mut found = through_glob.filter_map(|glob| self.defining_file(&[glob, rest].concat(), visited));
        found.next().or_else(|| Some(module.file.clone()))
    }

    fn has_item(&self, module: &ItemPath, name: &str) -> bool {
        self.modules.get(module).is_some_and(|module| {
            module.definitions.contains(name)
                || module.imports.contains_key(name)
                || module.globs.iter().any(|glob| self.has_item(glob, name))
        })
    }

    /// The shortest circle through each file that is part of one, each circle once.
    pub fn circles(&self) -> Vec<String> {
        let files = self.modules.values().map(|module| module.file.clone());
        let edges: BTreeMap<String, BTreeMap<String, String>> =
            files.map(|file| (file.clone(), self.edges(&file))).collect();
        let mut circles: BTreeMap<BTreeSet<&str>, String> = BTreeMap::new();
        for file in edges.keys() {
            if let Some(circle) = shortest_circle(&edges, file) {
                let steps = circle
                    .windows(2)
                    .map(|pair| format!("{} uses {}", pair[0], edges[pair[0]][pair[1]]));
                let description = steps.collect::<Vec<_>>().join(", ");
                circles.entry(circle.into_iter().collect()).or_insert(description);
            }
        }
        circles.into_values().collect()
    }
}

/// The files on the way from the first back to itself.
fn shortest_circle<'a>(edges: &'a BTreeMap<String, BTreeMap<String, String>>, first: &'a str) -> Option<Vec<&'a str>> {
    let mut previous: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([first]);
    while let Some(file) = queue.pop_front() {
        for target in edges[file].keys() {
            if previous.contains_key(target.as_str()) {
                continue;
            }
            previous.insert(target, file);
            if target == first {
                let mut circle = vec![first, file];
                while circle[circle.len() - 1] != first {
                    circle.push(previous[circle[circle.len() - 1]]);
                }
                circle.reverse();
                return Some(circle);
            }
            queue.push_back(target);
        }
    }
    None
}

impl Module {
    /// Replaces `self`, `super`, child modules and imported names at the start of each path.
    fn make_absolute(&mut self, own: &ItemPath, modules: &BTreeSet<ItemPath>) {
        let child = |name: &str| {
            let path = [own.clone(), vec![name.to_owned()]].concat();
            modules.contains(&path).then_some(path)
        };
        let imports: BTreeMap<String, ItemPath> = self
            .imports
            .iter()
            .map(|(name, path)| (name.clone(), absolute(path, own, |first| child(first))))
            .collect();
        let through_imports = |path: &ItemPath| {
            absolute(path, own, |first| {
                let import = imports.get(first).filter(|import| import[0] == "crate");
                import.cloned().or_else(|| child(first))
            })
        };
        self.globs = self.globs.iter().map(&through_imports).collect();
        for used in &mut self.uses {
            used.path = through_imports(&used.path);
        }
        self.imports = imports;
    }
}

fn absolute(path: &[String], own: &[String], known: impl Fn(&str) -> Option<ItemPath>) -> ItemPath {
    let first = path[0].as_str();
    match first {
        "crate" => path.to_vec(),
        "self" => [own, &path[1..]].concat(),
        "super" => {
            let levels = path.iter().take_while(|segment| *segment == "super").count();
            [&own[..own.len().saturating_sub(levels).max(1)], &path[levels..]].concat()
        }
        _ => known(first).map_or_else(|| path.to_vec(), |start| [&start, &path[1..]].concat()),
    }
}

/// `store/sql/mod.rs` is `crate::store::sql`.
fn module_path(file: &str) -> ItemPath {
    let name = file.trim_end_matches(".rs");
    let segments = ["crate"].into_iter().chain(name.split('/'));
    let mut path: ItemPath = segments.map(str::to_owned).collect();
    if ["mod", "lib"].contains(&path[path.len() - 1].as_str()) {
        path.pop();
    }
    path
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Separator,
    Other(char),
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found == word)
    }
}

fn tokens(code: &str) -> Vec<Token> {
    let chars: Vec<char> = code.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let word: String = chars[at..]
            .iter()
            .take_while(|c| c.is_alphanumeric() || **c == '_')
            .collect();
        if !word.is_empty() {
            at += word.chars().count();
            found.push(Token::Word(word));
        } else if chars[at..].starts_with(&[':', ':']) {
            at += 2;
            found.push(Token::Separator);
        } else {
            if !chars[at].is_whitespace() {
                found.push(Token::Other(chars[at]));
            }
            at += 1;
        }
    }
    found
}

/// Collects the paths and the items of one file.
struct Parser {
    tokens: Vec<Token>,
    module: Module,
    /// The brace depth, and for each inline module the depth around it.
    depth: usize,
    inline_modules: Vec<(usize, String)>,
}

impl Parser {
    fn parse(file: &str, text: &str) -> Module {
        let mut parser = Self {
            tokens: tokens(&production_code(text)),
            module: Module {
                file: file.to_owned(),
                ..Module::default()
            },
            depth: 0,
            inline_modules: Vec::new(),
        };
        let mut at = 0;
        while at < parser.tokens.len() {
            at = parser.step(at);
        }
        parser.module
    }

    fn step(&mut self, at: usize) -> usize {
        match &self.tokens[at] {
            Token::Other('{') => self.depth += 1,
            Token::Other('}') => {
                self.depth = self.depth.saturating_sub(1);
                self.inline_modules.retain(|(depth, _)| *depth < self.depth);
            }
            Token::Word(word) => return self.word(at, &word.clone()),
            Token::Separator | Token::Other(_) => {}
        }
        at + 1
    }

    fn word(&mut self, at: usize, word: &str) -> usize {
        let next = match self.tokens.get(at + 1) {
            Some(Token::Word(next)) => Some(next.clone()),
            _ => None,
        };
        match (word, next) {
            ("use", _) => return self.import(at),
            ("mod", Some(name)) => {
                if self.tokens.get(at + 2) == Some(&Token::Other('{')) {
                    self.inline_modules.push((self.depth, name));
                }
                return at + 2;
            }
            ("fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union", Some(name)) => {
                if self.depth == 0 {
                    self.module.definitions.insert(name);
                }
                return at + 2;
            }
            _ => {}
        }
        self.expression(at)
    }

    /// A path outside `use`: at least two segments.
    fn expression(&mut self, at: usize) -> usize {
        let (path, next) = self.segments(at);
        if path.len() > 1 {
            self.add_use(&path, false);
        }
        next
    }

    fn segments(&self, mut at: usize) -> (ItemPath, usize) {
        let mut path = Vec::new();
        while let Some(Token::Word(word)) = self.tokens.get(at) {
            path.push(word.clone());
            at += 1;
            if !matches!(
                (self.tokens.get(at), self.tokens.get(at + 1)),
                (Some(Token::Separator), Some(Token::Word(_)))
            ) {
                break;
            }
            at += 1;
        }
        (path, at)
    }

    fn import(&mut self, at: usize) -> usize {
        let before = &self.tokens[..at];
        let is_public = before
            .last()
            .is_some_and(|token| token.is_word("pub") || *token == Token::Other(')'));
        let mut leaves = Vec::new();
        let next = self.use_tree(at + 1, &[], &mut leaves);
        for (path, name) in leaves {
            if name == "*" {
                self.module.globs.push(self.without_inline_modules(&path));
            } else if self.inline_modules.is_empty() && self.depth == 0 {
                self.module.imports.insert(name, path.clone());
            }
            self.add_use(&path, is_public);
        }
        next
    }

    /// Collects the paths of a `use`, with the name that each has afterwards.
    fn use_tree(&self, mut at: usize, prefix: &[String], leaves: &mut Vec<(ItemPath, String)>) -> usize {
        if self.tokens.get(at) == Some(&Token::Separator) {
            at += 1;
        }
        let (segments, mut at) = self.segments(at);
        let mut path = [prefix, &segments].concat();
        if self.tokens.get(at) == Some(&Token::Separator) {
            at += 1;
        }
        match self.tokens.get(at) {
            Some(Token::Other('{')) => {
                at += 1;
                while !matches!(self.tokens.get(at), None | Some(Token::Other('}'))) {
                    at = self.use_tree(at, &path, leaves);
                    if self.tokens.get(at) == Some(&Token::Other(',')) {
                        at += 1;
                    }
                }
                at + 1
            }
            Some(Token::Other('*')) => {
                leaves.push((path, "*".to_owned()));
                at + 1
            }
            other => {
                let alias = other.is_some_and(|token| token.is_word("as"));
                if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
                    path.pop();
                }
                let mut name = path.last().cloned().unwrap_or_default();
                if let (true, Some(Token::Word(alias))) = (alias, self.tokens.get(at + 1)) {
                    name.clone_from(alias);
                    at += 2;
                }
                if !path.is_empty() {
                    leaves.push((path, name));
                    return at;
                }
                at + 1
            }
        }
    }

    fn add_use(&mut self, path: &[String], is_public_import: bool) {
        let path = self.without_inline_modules(path);
        if !path.is_empty() {
            self.module.uses.push(Use { path, is_public_import });
        }
    }

    /// Inside an inline module, the first `super` is the file itself.
    fn without_inline_modules(&self, path: &[String]) -> ItemPath {
        let levels = path.iter().take_while(|segment| *segment == "super").count();
        let inside = levels.min(self.inline_modules.len());
        if inside == 0 {
            return path.to_vec();
        }
        [
            &["self".to_owned()][..levels.min(1) * usize::from(levels == inside)],
            &path[inside..],
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        ModuleGraph::new(&SourceTree::of(files)).circles()
    }

    #[test]
    fn a_direct_circle_is_found() {
        let found = circles(&[
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "fn f() -> crate::a::A {}"),
        ]);
        assert_eq!(found, ["a.rs uses crate::b::B, b.rs uses crate::a::A"]);
    }

    #[test]
    fn a_circle_around_three_files_is_found_once() {
        let found = circles(&[
            ("a.rs", "use crate::{x::X, b::{self, B}};"),
            ("b.rs", "fn f() { c() } use crate::c as other;"),
            ("c.rs", "#[cfg(test)] mod tests { } fn f() { crate::a::f() }"),
            ("x.rs", "pub struct X;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_circle_through_a_re_export_is_found() {
        let found = circles(&[
            (
                "service/mod.rs",
                "mod audit; mod login; pub use audit::Audit; pub use self::login::*;",
            ),
            ("service/audit.rs", "use crate::service::Login; pub struct Audit;"),
            ("service/login.rs", "pub struct Login(crate::service::Audit);"),
        ]);
        assert_eq!(
            found,
            ["service/audit.rs uses crate::service::Login, service/login.rs uses crate::service::Audit"]
        );
    }

    #[test]
    fn a_circle_between_a_folder_and_its_file_is_found() {
        let found = circles(&[
            ("a/mod.rs", "mod child; use child::X; pub fn f(x: X) {}"),
            ("a/child.rs", "use super::f; pub struct X;"),
        ]);
        assert_eq!(found, ["a/child.rs uses crate::a::f, a/mod.rs uses crate::a::child::X"]);
        let expression = [
            ("a/mod.rs", "mod child; fn f() { child::g() }"),
            ("a/child.rs", "use super::*;"),
        ];
        assert_eq!(circles(&expression).len(), 1);
    }

    #[test]
    fn declarations_and_re_exports_of_a_folder_are_no_circle() {
        let found = circles(&[
            ("lib.rs", "pub mod a;"),
            ("a/mod.rs", "mod child; pub mod other; pub(crate) use child::X;"),
            ("a/child.rs", "pub struct X(super::other::Y);"),
            (
                "a/other.rs",
                "#[cfg(test)] mod tests { use crate::a::X; } pub struct Y;",
            ),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn an_imported_module_leads_to_the_file_that_defines_the_item() {
        let found = circles(&[
            ("a.rs", "use crate::folder; fn f() { folder::Inner::new() }"),
            ("folder/mod.rs", "mod inner; pub use inner::Inner;"),
            ("folder/inner.rs", "pub struct Inner; use crate::a::f;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn super_in_an_inline_module_is_the_file() {
        let inside = "mod inner { use super::f; use super::super::b::g; } pub fn f() {}";
        let tree = SourceTree::of(&[("a.rs", inside), ("b.rs", "pub fn g() {}")]);
        let graph = ModuleGraph::new(&tree);
        assert_eq!(graph.paths("a.rs").collect::<Vec<_>>(), ["crate::b::g"]);
    }
}
