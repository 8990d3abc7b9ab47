//! The modules of a crate, and the modules that the paths in each of them lead to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::circle::Imports;

/// Segments from the crate's root on: `["config", "check"]`.
type ModulePath = Vec<String>;

/// Re-exports of re-exports that are followed.
const MOST_RE_EXPORTS: usize = 8;

/// The modules of a crate without those of tests and fuzz targets.
pub(crate) struct Source {
    modules: BTreeMap<ModulePath, Module>,
}

struct Module {
    file: PathBuf,
    /// What `use` brings into scope: the name, and the path that it stands for.
    names: Vec<(String, Vec<String>)>,
    /// All other paths of at least two segments.
    paths: Vec<Vec<String>>,
}

impl Source {
    pub(crate) fn read(src: &Path) -> Self {
        let files = source_files(src).into_iter().map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            (file.strip_prefix(src).unwrap().to_owned(), text)
        });
        Self::of(files)
    }

    /// Of files whose paths are relative to the folder of the crate's root, with their texts.
    fn of(files: impl Iterator<Item = (PathBuf, String)>) -> Self {
        let mut modules = BTreeMap::new();
        let mut left_out = Vec::new();
        for (file, text) in files {
            let Some(path) = module_path(&file) else {
                continue;
            };
            for child in modules_of_tests(&text) {
                left_out.push(path.iter().cloned().chain([child]).collect::<ModulePath>());
            }
            modules.insert(path, Module::parse(file, &text));
        }
        let is_left_out = |path: &ModulePath| left_out.iter().any(|other| path.starts_with(other));
        modules.retain(|path, _| !is_left_out(path));
        Self { modules }
    }

    /// For each folder, the modules in it that import each other. A path into or out of the files
    /// of a module's own folder counts as one of the module.
    pub(crate) fn imports(&self) -> BTreeMap<ModulePath, Imports> {
        let mut imports: BTreeMap<ModulePath, Imports> = BTreeMap::new();
        for (from, module) in &self.modules {
            if let Some((name, folder)) = from.split_last() {
                let modules = imports.entry(folder.to_vec()).or_default();
                modules.entry(name.clone()).or_default();
            }
            for path in module
                .names
                .iter()
                .map(|(_, path)| path)
                .chain(&module.paths)
            {
                let Some(to) = self.resolve(from, path, 0) else {
                    continue;
                };
                let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                let (Some(importing), Some(imported)) = (from.get(common), to.get(common)) else {
                    continue;
                };
                let modules = imports.entry(from[..common].to_vec()).or_default();
                let known = modules.entry(importing.clone()).or_default();
                let file = || module.file.clone();
                known.entry(imported.clone()).or_insert_with(file);
            }
        }
        imports
    }

    /// The module that has what the path in module `from` names; `None` for another crate's.
    fn resolve(&self, from: &ModulePath, path: &[String], depth: usize) -> Option<ModulePath> {
        let (mut module, mut rest) = self.beginning(from, path, depth)?;
        while let Some((name, tail)) = rest.split_first() {
            let child: ModulePath = module.iter().chain([name]).cloned().collect();
            if self.modules.contains_key(&child) {
                (module, rest) = (child, tail);
                continue;
            }
            let re_exported = self
                .in_scope(&module, name)
                .filter(|_| depth < MOST_RE_EXPORTS);
            let Some(path) = re_exported else { break };
            let path: Vec<_> = path.iter().chain(tail).cloned().collect();
            return self.resolve(&module, &path, depth + 1).or(Some(module));
        }
        Some(module)
    }

    /// The module in which a path begins, and what follows.
    fn beginning<'p>(
        &self,
        from: &ModulePath,
        path: &'p [String],
        depth: usize,
    ) -> Option<(ModulePath, &'p [String])> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((Vec::new(), rest)),
            "self" => Some((from.clone(), rest)),
            "super" => {
                let supers = path
                    .iter()
                    .take_while(|segment| *segment == "super")
                    .count();
                let kept = from.len().checked_sub(supers)?;
                Some((from[..kept].to_vec(), &path[supers..]))
            }
            name if depth < MOST_RE_EXPORTS => {
                let child: ModulePath = from.iter().chain([first]).cloned().collect();
                if self.modules.contains_key(&child) {
                    return Some((child, rest));
                }
                let path = self.in_scope(from, name).filter(|path| path[0] != name)?;
                Some((self.resolve(from, path, depth + 1)?, rest))
            }
            _ => None,
        }
    }

    fn in_scope(&self, module: &ModulePath, name: &str) -> Option<&[String]> {
        let names = &self.modules.get(module)?.names;
        let (_, path) = names.iter().find(|(known, _)| known == name)?;
        Some(path)
    }
}

impl Module {
    fn parse(file: PathBuf, text: &str) -> Self {
        let (mut names, mut paths) = (Vec::new(), Vec::new());
        let code = code(text);
        let tokens = tokens(&code);
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if *token == "use" {
                at += 1;
                use_tree(&tokens, &mut at, &[], &mut names);
            } else if is_identifier(token) {
                let mut path = vec![(*token).to_owned()];
                while tokens.get(at + 1) == Some(&"::")
                    && let Some(next) = tokens.get(at + 2).filter(|next| is_identifier(next))
                {
                    path.push((*next).to_owned());
                    at += 2;
                }
                if path.len() > 1 {
                    paths.push(path);
                }
            }
            at += 1;
        }
        Self { file, names, paths }
    }
}

/// Reads the tree of a `use` up to the token after it.
fn use_tree(
    tokens: &[&str],
    at: &mut usize,
    prefix: &[String],
    names: &mut Vec<(String, Vec<String>)>,
) {
    let mut path = prefix.to_vec();
    let mut alias = None;
    while let Some(token) = tokens.get(*at) {
        match *token {
            "," | "}" | ";" => break,
            "{" => {
                while tokens.get(*at).is_some_and(|token| *token != "}") {
                    *at += 1;
                    use_tree(tokens, at, &path, names);
                }
                *at += 1;
                return;
            }
            "as" => {
                *at += 1;
                alias = tokens.get(*at);
            }
            segment if is_identifier(segment) => path.push(segment.to_owned()),
            _ => {}
        }
        *at += 1;
    }
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(last) = path.last() {
        names.push((
            alias.map_or(last.clone(), |alias| (*alias).to_owned()),
            path,
        ));
    }
}

/// Without comments, and without the module of tests, which is the last item of a file.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Identifiers, `::`, and other characters one by one.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let identifier = rest
            .find(|c: char| !is_of_identifier(c))
            .unwrap_or(rest.len());
        let length = match identifier {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            length => length,
        };
        let (token, tail) = rest.split_at(length);
        tokens.push(token);
        rest = tail.trim_start();
    }
    tokens
}

fn is_identifier(token: &str) -> bool {
    token.starts_with(is_of_identifier)
}

fn is_of_identifier(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The names of the modules in other files that only tests or fuzz targets have.
fn modules_of_tests(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_of_tests = false;
    for line in text.lines().map(str::trim) {
        let module = line
            .strip_suffix(';')
            .and_then(|line| line.split_once("mod "));
        match module {
            Some((_, name)) if is_of_tests => names.push(name.to_owned()),
            _ if line.starts_with("#[") => {
                let is_test = ["test", "fuzzing", "benchmarking"];
                is_of_tests |= is_test.iter().any(|of| line == format!("#[cfg({of})]"));
                continue;
            }
            _ => {}
        }
        is_of_tests = false;
    }
    names
}

/// `None` for the root of another crate.
fn module_path(file: &Path) -> Option<ModulePath> {
    let mut path: ModulePath = file
        .with_extension("")
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if path == ["main"] {
        return None;
    }
    if path == ["lib"] {
        path.pop();
    }
    Some(path)
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Each import as `folder: importing imported file`.
fn imports_of(files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter();
    let source = Source::of(files.map(|(file, text)| (PathBuf::from(file), (*text).to_owned())));
    let mut found = Vec::new();
    for (folder, imports) in source.imports() {
        for (importing, imported) in imports {
            let folder = folder.join("/");
            let shown = imported.into_iter();
            found
                .extend(shown.map(|(name, file)| {
                    format!("{folder}: {importing} {name} {}", file.display())
                }));
        }
    }
    found
}

#[test]
fn only_code_outside_tests_and_comments_counts() {
    let text = "// crate::doctor\nuse crate::{config, model::{self, Weight}};\n\
                fn f() { crate::plan::diff() }\n\
                #[cfg(test)]\nmod tests { use crate::status::fixture; }\n";
    let found = imports_of(&[
        ("lib.rs", "mod cli;\n#[cfg(test)]\nmod fixture;\n"),
        ("cli.rs", text),
        ("config.rs", ""),
        ("doctor.rs", ""),
        ("fixture.rs", "use crate::doctor;"),
        ("model.rs", "pub struct Weight;"),
        ("plan.rs", ""),
        ("status.rs", ""),
    ]);
    let of_cli = ["config", "model", "plan"].map(|name| format!(": cli {name} cli.rs"));
    assert_eq!(found, of_cli);
}

#[test]
fn re_exported_name_counts_as_the_module_that_has_it() {
    let found = imports_of(&[
        ("lib.rs", "mod config;"),
        (
            "config.rs",
            "mod check;\nmod read;\npub use check::{Check, Kind as CheckKind};",
        ),
        (
            "config/check.rs",
            "mod kind;\npub use self::kind::Kind;\nuse super::read;\nfn f() { read::node() }",
        ),
        ("config/check/kind.rs", "use super::super::read::Node;"),
        ("config/read.rs", "use super::CheckKind;"),
    ]);
    assert_eq!(
        found,
        [
            "config: check read config/check.rs",
            "config: read check config/read.rs"
        ]
    );
}

#[test]
fn module_and_its_own_files_may_import_each_other() {
    let found = imports_of(&[
        ("lib.rs", "mod probe;"),
        ("probe.rs", "mod task;\nmod watch;"),
        (
            "probe/task.rs",
            "mod run;\npub struct Task;\nuse self::run::run;",
        ),
        (
            "probe/task/run.rs",
            "use super::Task;\nuse super::super::watch::Watch;",
        ),
        ("probe/watch.rs", ""),
    ]);
    assert_eq!(found, ["probe: task watch probe/task/run.rs"]);
}
