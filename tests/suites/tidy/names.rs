//! Words that no name in the sources has: `banned_names.txt` lists them, each with what to say instead.

use proc_macro2::Ident;
use std::collections::BTreeMap;
use syn::visit::{self, Visit};

/// What is banned; a line is `word: what to say instead`, one that begins with `#` is a comment.
const BANNED: &str = include_str!("banned_names.txt");

/// The banned words, each with what to say instead.
pub fn banned() -> BTreeMap<&'static str, &'static str> {
    let lines = BANNED.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once(": ").expect("a line is `word: instead`")).collect()
}

/// The words of a name, in lower case: `HandOff`, `hand_off` and `HAND_OFF` have the same two.
pub fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut after_lower = false;
    for letter in name.chars() {
        let begins = words.is_empty() || (letter.is_uppercase() && after_lower);
        match (letter, begins) {
            ('_', _) => words.push(String::new()),
            (_, true) => words.push(letter.to_lowercase().collect()),
            (_, false) => words.last_mut().expect("there is a word").extend(letter.to_lowercase()),
        }
        after_lower = letter.is_lowercase() || letter.is_ascii_digit();
    }
    words
}

/// What a file defines: its items, fields, variants and methods, each with its line.
pub fn defined(file: &syn::File) -> Vec<(usize, String)> {
    let mut names = Names(Vec::new());
    names.visit_file(file);
    names.0
}

struct Names(Vec<(usize, String)>);

impl Names {
    fn add(&mut self, name: &Ident) {
        self.0.push((name.span().start().line, name.to_string()));
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            // The name of a test is a sentence.
            syn::Item::Fn(item) if item.attrs.iter().any(|attribute| attribute.path().is_ident("test")) => {
                return;
            }
            syn::Item::Const(item) => self.add(&item.ident),
            syn::Item::Enum(item) => self.add(&item.ident),
            syn::Item::Mod(item) => self.add(&item.ident),
            syn::Item::Static(item) => self.add(&item.ident),
            syn::Item::Struct(item) => self.add(&item.ident),
            syn::Item::Trait(item) => self.add(&item.ident),
            syn::Item::Type(item) => self.add(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.add(&signature.ident);
        visit::visit_signature(self, signature);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.add(&variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.add(name);
        }
        visit::visit_field(self, field);
    }
}
