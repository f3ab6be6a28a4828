//! The packages, their files and their modules, as Cargo and the `mod` declarations say.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use syn::visit::{self, Visit};

/// A package of the workspace, or `everboot-fuzz`, which is a workspace of its own.
pub struct Package {
    pub name: String,
    pub folder: PathBuf,
    /// Packages of ours that it depends on, tests aside.
    pub dependencies: Vec<String>,
    /// One for each library, program or test.
    pub crates: Vec<Crate>,
}

/// The modules of one target; the first is its root.
pub struct Crate {
    pub modules: Vec<Module>,
}

/// A module, in a file of its own or within another's file.
pub struct Module {
    pub file: PathBuf,
    pub parent: Option<usize>,
    pub children: BTreeMap<String, usize>,
    /// Names that are defined in it.
    pub items: Vec<String>,
    /// Names that it imports, each with the path.
    pub imports: Vec<Import>,
    /// Paths that its code has beside its imports.
    pub paths: Vec<Written>,
    /// It is compiled for tests alone.
    pub is_test: bool,
}

/// A path as it is written, with its line.
#[derive(Clone)]
pub struct Written {
    pub segments: Vec<String>,
    pub line: usize,
}

/// What a `use` declaration brings: `name` is `*` for all that the path has.
#[derive(Clone)]
pub struct Import {
    pub name: String,
    pub path: Written,
}

/// All packages.
pub fn packages() -> Vec<Package> {
    let mut packages = metadata("Cargo.toml");
    packages.extend(metadata("tests/fuzz/Cargo.toml"));
    packages
}

fn metadata(manifest: &str) -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"]);
    let output = command.arg(everboot_kit::program::repo().join(manifest)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |name: &str| package[name].as_array().unwrap().iter();
    let dependencies = list("dependencies").filter(|dependency| dependency["kind"].is_null());
    let dependencies = dependencies.map(|dependency| text(&dependency["name"]));
    Package {
        name: text(&package["name"]),
        folder: Path::new(&text(&package["manifest_path"])).parent().unwrap().to_owned(),
        dependencies: dependencies.filter(|name| name.starts_with("everboot")).collect(),
        crates: list("targets").map(|target| Crate::read(Path::new(&text(&target["src_path"])))).collect(),
    }
}

impl Crate {
    fn read(root: &Path) -> Self {
        let mut modules = Vec::new();
        let folder = root.parent().unwrap();
        add_file(&mut modules, root, folder, None, false);
        Self { modules }
    }

    /// A crate of these files alone, the first of them its root. For tests of what reads it.
    pub fn of_texts(texts: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("everboot-tidy-{}", std::process::id()));
        let folder = folder.join(format!("{:?}", std::thread::current().id()));
        for (name, text) in texts {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let read = Self::read(&folder.join(texts[0].0));
        fs::remove_dir_all(folder).unwrap();
        read
    }
}

/// Reads a file as a module; its children's files are in `folder`.
fn add_file(
    modules: &mut Vec<Module>,
    file: &Path,
    folder: &Path,
    parent: Option<usize>,
    is_test: bool,
) -> usize {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    add(modules, &parsed.items, file, folder, parent, is_test)
}

fn add(
    modules: &mut Vec<Module>,
    items: &[syn::Item],
    file: &Path,
    folder: &Path,
    parent: Option<usize>,
    is_test: bool,
) -> usize {
    let own = modules.len();
    let mut reader = Reader::default();
    items.iter().for_each(|item| reader.visit_item(item));
    modules.push(Module {
        file: file.to_owned(),
        parent,
        children: BTreeMap::new(),
        items: items.iter().filter_map(defined).collect(),
        imports: reader.imports,
        paths: reader.paths,
        is_test,
    });
    for item in items {
        let syn::Item::Mod(child) = item else { continue };
        let name = unraw(&child.ident);
        let is_test = is_test || child.attrs.iter().any(is_for_tests);
        let below = folder.join(&name);
        let id = match (&child.content, given_path(child)) {
            (Some((_, items)), _) => add(modules, items, file, &below, Some(own), is_test),
            (None, Some(path)) => {
                let path = file.parent().unwrap().join(path);
                let folder = path.parent().unwrap().to_owned();
                add_file(modules, &path, &folder, Some(own), is_test)
            }
            (None, None) => {
                let flat = folder.join(format!("{name}.rs"));
                let path = if flat.exists() { flat } else { below.join("mod.rs") };
                add_file(modules, &path, &below, Some(own), is_test)
            }
        };
        modules[own].children.insert(name, id);
    }
    own
}

/// The value of a `#[path = "..."]`.
fn given_path(module: &syn::ItemMod) -> Option<String> {
    module.attrs.iter().filter(|attribute| attribute.path().is_ident("path")).find_map(|attribute| {
        let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
        let syn::Expr::Lit(literal) = &pair.value else { return None };
        let syn::Lit::Str(text) = &literal.lit else { return None };
        Some(text.value())
    })
}

/// `#[cfg(test)]`.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|word| word.is_ident("test"))
}

/// The name that an item gives to its module, where it gives one.
fn defined(item: &syn::Item) -> Option<String> {
    let ident = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(unraw(ident))
}

fn unraw(ident: &proc_macro2::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// Collects imports and paths; what is in inline modules belongs to them.
#[derive(Default)]
struct Reader {
    imports: Vec<Import>,
    paths: Vec<Written>,
}

impl Reader {
    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |ident: &proc_macro2::Ident| [before, &[unraw(ident)]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.import(before.last().cloned().unwrap_or_default(), before.to_vec(), &name.ident);
            }
            syn::UseTree::Name(name) => self.import(unraw(&name.ident), with(&name.ident), &name.ident),
            syn::UseTree::Rename(name) => {
                let path = if name.ident == "self" { before.to_vec() } else { with(&name.ident) };
                self.import(unraw(&name.rename), path, &name.ident);
            }
            syn::UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                let path = Written { segments: before.to_vec(), line };
                self.imports.push(Import { name: "*".into(), path });
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(before, item)),
        }
    }

    fn import(&mut self, name: String, segments: Vec<String>, at: &proc_macro2::Ident) {
        let line = at.span().start().line;
        self.imports.push(Import { name, path: Written { segments, line } });
    }

    /// Paths in what a macro is given, which need not be Rust.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        use proc_macro2::TokenTree;
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is_colon =
            |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            let first = match token {
                TokenTree::Group(group) => {
                    self.tokens(group.stream());
                    continue;
                }
                TokenTree::Ident(first) => first,
                _ => continue,
            };
            let mut segments = vec![unraw(first)];
            while is_colon(at)
                && is_colon(at + 1)
                && let Some(TokenTree::Ident(next)) = tokens.get(at + 2)
            {
                segments.push(unraw(next));
                at += 3;
            }
            if segments.len() > 1 {
                self.paths.push(Written { segments, line: first.span().start().line });
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // `::x` is another package, whatever modules there are.
        if item.leading_colon.is_none() && !item.attrs.iter().any(is_for_tests) {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| unraw(&segment.ident)).collect();
            let line = path.segments[0].ident.span().start().line;
            self.paths.push(Written { segments, line });
        }
        visit::visit_path(self, path);
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}
