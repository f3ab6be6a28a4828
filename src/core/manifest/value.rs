//! JSON (RFC 8259), as little of it as a manifest takes: texts, whole numbers, lists and objects are read; of
//! everything else it is only found out that it is JSON.
//!
//! The text is short ([`super::MANIFEST_MAX`]) and signed. A library would be five times as large.

use alloc::string::String;
use alloc::vec::Vec;

/// How deep lists and objects may lie in each other.
const DEPTH: u8 = 64;

/// A byte offset in the text: what begins there is not as it should be.
pub(super) type Offset = usize;

/// A value, and where it begins.
#[derive(Debug)]
pub(super) struct Value {
    at: Offset,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Null,
    Number(u64),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
    /// True, false, and numbers that are not whole, negative or too large.
    Other,
}

/// The fields of an object, as far as nobody took them.
pub(super) struct Fields {
    at: Offset,
    fields: Vec<(String, Value)>,
}

impl Fields {
    /// The value of a field; `None` when it is absent or null. One that comes twice is an error.
    pub(super) fn optional(&mut self, name: &str) -> Result<Option<Value>, Offset> {
        let Some(first) = self.fields.iter().position(|(known, _)| known == name) else { return Ok(None) };
        let (_, value) = self.fields.swap_remove(first);
        match self.fields.iter().find(|(known, _)| known == name) {
            Some((_, again)) => Err(again.at),
            None => Ok(Some(value).filter(|value| !matches!(value.kind, Kind::Null))),
        }
    }

    /// The value of a field that must be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<Value, Offset> {
        self.optional(name)?.ok_or(self.at)
    }

    /// The first field that nobody took, and that the list `critical` names: whoever wrote it asks that it be known.
    pub(super) fn unknown_critical(&mut self) -> Result<Option<String>, Offset> {
        let names = self.optional("critical")?.map_or(Ok(Vec::new()), Value::texts)?;
        Ok(names.into_iter().find(|name| self.fields.iter().any(|(field, _)| field == name)))
    }
}

impl Value {
    /// Reads a text that is one value.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Offset> {
        let text = str::from_utf8(bytes).map_err(|error| error.valid_up_to())?;
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(DEPTH);
        reader.space();
        value.filter(|_| reader.at == text.len()).ok_or(reader.at.min(text.len()))
    }

    pub(super) fn number(self) -> Result<u64, Offset> {
        if let Kind::Number(number) = self.kind { Ok(number) } else { Err(self.at) }
    }

    pub(super) fn text(self) -> Result<String, Offset> {
        if let Kind::Text(text) = self.kind { Ok(text) } else { Err(self.at) }
    }

    pub(super) fn list(self) -> Result<Vec<Self>, Offset> {
        if let Kind::List(list) = self.kind { Ok(list) } else { Err(self.at) }
    }

    pub(super) fn texts(self) -> Result<Vec<String>, Offset> {
        let mut texts = Vec::new();
        for value in self.list()? {
            texts.push(value.text()?);
        }
        Ok(texts)
    }

    pub(super) fn fields(self) -> Result<Fields, Offset> {
        let at = self.at;
        if let Kind::Object(fields) = self.kind { Ok(Fields { at, fields }) } else { Err(at) }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        // What is behind the end is nothing that JSON has.
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == byte;
        self.at += usize::from(is_there);
        is_there
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// The value that comes, and the space around it.
    fn value(&mut self, depth: u8) -> Option<Value> {
        self.space();
        let at = self.at;
        let kind = match self.peek() {
            b'"' => Kind::Text(self.string()?),
            b'[' => {
                let mut list = Vec::new();
                self.members(b']', depth, &mut |reader, depth| {
                    list.push(reader.value(depth)?);
                    Some(())
                })?;
                Kind::List(list)
            }
            b'{' => {
                let mut fields = Vec::new();
                self.members(b'}', depth, &mut |reader, depth| {
                    reader.space();
                    let name = reader.string()?;
                    reader.space();
                    let value = if reader.eat(b':') { reader.value(depth) } else { None };
                    fields.push((name, value?));
                    Some(())
                })?;
                Kind::Object(fields)
            }
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        };
        self.space();
        Some(Value { at, kind })
    }

    /// What is between two brackets, with commas between the members.
    fn members(
        &mut self,
        end: u8,
        depth: u8,
        member: &mut dyn FnMut(&mut Self, u8) -> Option<()>,
    ) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.at += 1;
        self.space();
        if self.eat(end) {
            return Some(());
        }
        loop {
            member(self, depth)?;
            if self.eat(end) {
                return Some(());
            }
            self.eat(b',').then_some(())?;
        }
    }

    fn word(&mut self) -> Option<Kind> {
        for word in ["null", "true", "false"] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Some(if word == "null" { Kind::Null } else { Kind::Other });
            }
        }
        None
    }

    /// Passes digits, of which there must be some.
    fn digits(&mut self) -> Option<&str> {
        let first = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Some(&self.text[first..self.at]).filter(|digits| !digits.is_empty())
    }

    fn number(&mut self) -> Option<Kind> {
        let is_negative = self.eat(b'-');
        let digits = self.digits()?;
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        let whole = digits.parse().map_or(Kind::Other, Kind::Number);
        let mut is_whole = !is_negative;
        if self.eat(b'.') {
            is_whole = false;
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            is_whole = false;
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Some(if is_whole { whole } else { Kind::Other })
    }

    fn string(&mut self) -> Option<String> {
        let mut string = String::new();
        if !self.eat(b'"') {
            return None;
        }
        loop {
            let first = self.at;
            while !matches!(self.peek(), b'"' | b'\\' | 0..0x20) {
                self.at += 1;
            }
            string.push_str(&self.text[first..self.at]);
            if self.eat(b'"') {
                return Some(string);
            }
            if !self.eat(b'\\') {
                return None;
            }
            string.push(self.escaped()?);
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let byte = self.peek();
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => byte.into(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first);
                }
                let second = if self.eat(b'\\') && self.eat(b'u') { self.unit()? } else { 0 };
                let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                return char::from_u32(0x10000 + ((first - 0xd800) << 10) + low);
            }
            _ => return None,
        })
    }

    /// The four digits of a UTF-16 unit.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { u32::from_str_radix(digits, 16).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What another reader of JSON makes of it, in this one's terms.
    fn of(value: serde_json::Value) -> Kind {
        let value_of = |value| Value { at: 0, kind: of(value) };
        match value {
            serde_json::Value::Null => Kind::Null,
            serde_json::Value::Bool(_) => Kind::Other,
            serde_json::Value::Number(number) => number.as_u64().map_or(Kind::Other, Kind::Number),
            serde_json::Value::String(text) => Kind::Text(text),
            serde_json::Value::Array(list) => Kind::List(list.into_iter().map(value_of).collect()),
            serde_json::Value::Object(map) => {
                Kind::Object(map.into_iter().map(|(name, value)| (name, value_of(value))).collect())
            }
        }
    }

    fn is_same(one: &Kind, other: &Kind) -> bool {
        match (one, other) {
            (Kind::List(one), Kind::List(other)) => {
                let pairs = one.iter().zip(other);
                one.len() == other.len() && pairs.fold(true, |same, (a, b)| same && is_same(&a.kind, &b.kind))
            }
            (Kind::Object(one), Kind::Object(other)) => other.iter().all(|(name, value)| {
                // Of a name that comes twice the other reader keeps the last.
                let found = one.iter().rev().find(|(known, _)| known == name);
                found.is_some_and(|(_, found)| is_same(&found.kind, &value.kind))
            }),
            (Kind::Number(one), Kind::Number(other)) => one == other,
            (Kind::Text(one), Kind::Text(other)) => one == other,
            (Kind::Null, Kind::Null) | (Kind::Other, Kind::Other) => true,
            _ => false,
        }
    }

    /// Both readers take the same texts, and find the same in them.
    fn agree(text: &str) {
        let (found, expected) = (Value::parse(text.as_bytes()), serde_json::from_str(text));
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert!(is_same(&found.kind, &of(expected)), "{text}: {found:?}"),
            (Err(_), Err(_)) => {}
            // It reads such a number as a float, which has an end.
            (Ok(_), Err(error)) if error.to_string().contains("out of range") => {}
            (found, expected) => panic!("{text}: {found:?}, {expected:?}"),
        }
    }

    const TEXTS: &[&str] = &[
        r#"{"a":1,"b":[true,false,null,-1,0,1.5,1e3,1E+2,-0.0,18446744073709551615],"c":{"d":"e"}}"#,
        r#" [ "\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00", "é", { } , [ ] , 18446744073709551616 ] "#,
        r#"{"a":1,"a":2,"":{"x":[[[[]]]]}}"#,
    ];

    #[test]
    fn it_reads_what_another_reader_reads() {
        let wrong = [
            "",
            " ",
            "[",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{1:2}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "nul",
            "nulll",
            "\"",
            r#""\x""#,
            r#""\u12""#,
            r#""\u+123""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "\"\n\"",
            "\"\u{0}\"",
            "1 1",
            "\u{feff}1",
            "'a'",
            "[1\u{c}]",
        ];
        TEXTS.iter().chain(&wrong).for_each(|text| agree(text));
    }

    #[test]
    fn whatever_is_changed_in_a_text_both_readers_agree() {
        let mut random = 1u64;
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % below
        };
        let pieces = ["\"", "\\", "u", "[", "]", "{", "}", ",", ":", "0", "e", "-", ".", " ", "d83d", "null"];
        for _ in 0..20_000 {
            let mut text: Vec<char> = TEXTS[next(TEXTS.len())].chars().collect();
            for _ in 0..=next(3) {
                let (at, len) = (next(text.len()), next(3));
                let end = (at + len).min(text.len());
                text.splice(at..end, pieces[next(pieces.len())].chars());
            }
            agree(&text.iter().collect::<String>());
        }
    }

    #[test]
    fn no_text_is_too_deep_for_the_stack() {
        for open in ["[", r#"{"a":"#] {
            assert!(Value::parse(open.repeat(30_000).as_bytes()).is_err());
        }
        assert!(Value::parse(&[b'"', 0xff, b'"']).is_err());
        assert_eq!(Value::parse(b"\"\\").unwrap_err(), 2);
    }
}
