//! The HTTP client, with TLS or without.

use super::problem::{Problem, Result};
use super::remote::{Known, Remote, Reply, Rest};
use anyhow::{Context, anyhow};
use everboot_core::verbs::Exit;
use everboot_registry::{PATIENCE, USER_AGENT, runtime, use_ring};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::runtime::Runtime;

/// The most redirects that are followed.
const REDIRECTS_MAX: usize = 5;

/// A client.
pub(crate) struct Web {
    runtime: Runtime,
    client: Client,
    has_authorities: bool,
}

impl Web {
    /// Where the system has no certificates of authorities it serves http alone.
    pub(crate) fn new() -> Result<Self> {
        use_ring();
        let settings = || {
            let client = Client::builder().redirect(Policy::custom(redirect)).user_agent(USER_AGENT);
            client.connect_timeout(PATIENCE).read_timeout(PATIENCE)
        };
        let client = settings().build();
        let has_authorities = client.is_ok();
        let client =
            client.or_else(|_| settings().tls_certs_only([]).build()).context("set up the client")?;
        Ok(Self { runtime: runtime()?, client, has_authorities })
    }

    /// All of it, the rest of it, or so many bytes of that.
    fn get(&self, url: &Url, rest: Option<&Rest>, len: Option<usize>) -> Result<Response> {
        if url.scheme() == "https" && !self.has_authorities {
            let text =
                "https needs certificates of authorities, and this system has none: install ca-certificates";
            return Err(Problem::lasting(Exit::Failed, anyhow!(text)));
        }
        let mut request = self.client.get(url.clone());
        if let Some(rest) = rest {
            let last = len.map(|len| (rest.from + len as u64 - 1).to_string()).unwrap_or_default();
            request = request.header(RANGE, format!("bytes={}-{last}", rest.from));
            if let Some(validator) = &rest.validator {
                request = request.header(IF_RANGE, validator);
            }
        }
        // Within the runtime, whose clock it wants.
        self.runtime.block_on(async { request.send().await }).map_err(failed)
    }

    /// A small text, as a whole.
    pub(crate) fn text(&self, url: &Url, most: usize) -> Result<Vec<u8>> {
        self.read(url, most).map_err(|problem| problem.context(url))
    }

    fn read(&self, url: &Url, most: usize) -> Result<Vec<u8>> {
        let mut response = self.get(url, None, None)?;
        if response.status() != StatusCode::OK {
            return Err(unexpected(&response));
        }
        let mut text = Vec::new();
        while let Some(bytes) = self.runtime.block_on(response.chunk()).map_err(failed)? {
            text.extend_from_slice(&bytes);
            if text.len() > most {
                let text = format!("expected at most {most} bytes, found more");
                return Err(Problem::lasting(Exit::Untrusted, anyhow!(text)));
            }
        }
        Ok(text)
    }
}

/// From one URL to the next: not for ever, and never from TLS to plain text.
fn redirect(attempt: Attempt<'_>) -> Action {
    match forbidden(attempt.previous(), attempt.url()) {
        None => attempt.follow(),
        Some(why) => attempt.error(why),
    }
}

fn forbidden(previous: &[Url], next: &Url) -> Option<String> {
    let was_safe = previous.last().is_some_and(|last| last.scheme() == "https");
    match next.scheme() {
        "https" | "http" if previous.len() > REDIRECTS_MAX => {
            Some(format!("expected at most {REDIRECTS_MAX} redirects, found more"))
        }
        "https" => None,
        "http" if !was_safe => None,
        scheme => Some(format!("expected a redirect to https, found one to {scheme}: {next}")),
    }
}

/// Of what failed on the way, all may pass but what was not even tried.
fn failed(error: reqwest::Error) -> Problem {
    match error.is_redirect() || error.is_builder() {
        true => Problem::lasting(Exit::Failed, error.without_url()),
        false => Problem::passing(error.without_url()),
    }
}

pub(crate) fn broken_off(error: impl Into<anyhow::Error>) -> Problem {
    Problem::passing(error).context("the connection broke off")
}

/// Too busy, or broken for now, is no last word.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}

fn unexpected(response: &Response) -> Problem {
    let status = response.status();
    let error = anyhow!("the server answers {status}");
    if is_passing(status.as_u16()) { Problem::passing(error) } else { Problem::lasting(Exit::Failed, error) }
}

/// A file at a URL.
pub(crate) struct Page {
    pub(crate) web: Web,
    pub(crate) url: Url,
    pub(crate) known: Known,
}

impl Remote for Page {
    fn source(&self) -> String {
        let sum = self.known.sum.map_or(String::new(), |sum| format!(" sha256:{sum}"));
        format!("{}{sum}", self.url)
    }

    fn known(&self) -> Known {
        self.known
    }

    fn ask(&mut self, rest: Option<&Rest>, len: Option<usize>) -> Result<Option<Reply<'_>>> {
        let mut response = self.web.get(&self.url, rest, len)?;
        let said = response.headers();
        let validator = validator(said);
        let (from, total) = match (rest, response.status()) {
            (_, StatusCode::OK) => (0, response.content_length()),
            (Some(rest), StatusCode::PARTIAL_CONTENT) => match place(said).filter(|at| at.0 == rest.from) {
                Some(place) => place,
                None => return Ok(None),
            },
            (Some(_), StatusCode::RANGE_NOT_SATISFIABLE) => return Ok(None),
            _ => return Err(unexpected(&response)),
        };
        let is_whole = response.status() == StatusCode::OK;
        let runtime = &self.web.runtime;
        let body = move || {
            let bytes = runtime.block_on(response.chunk()).map_err(broken_off)?;
            Ok(bytes.map(|bytes| bytes.to_vec()))
        };
        Ok(Some(Reply { from, is_whole, total, validator, body: Box::new(body) }))
    }
}

/// The first place and the length of the whole, out of `Content-Range`.
fn place(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

/// What may stand in `If-Range`: a strong entity tag, or the time of the last change.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_redirect_leads_from_tls_to_plain_text_or_anywhere_else() {
        let url = |text: &str| Url::parse(text).unwrap();
        let check = |from: &str, to: &str, expected: &str| {
            let found = forbidden(&[url(from)], &url(to)).unwrap_or_default();
            assert!(
                found.starts_with(expected) && found.is_empty() == expected.is_empty(),
                "{from} {to}: {found}"
            );
        };
        check("https://a.example/", "https://b.example/", "");
        check("http://a.example/", "https://b.example/", "");
        check("http://a.example/", "http://b.example/", "");
        check("https://a.example/", "http://a.example/", "expected a redirect to https, found one to http");
        check("http://a.example/", "ftp://a.example/", "expected a redirect to https, found one to ftp");
        check("https://a.example/", "file:///etc/passwd", "expected a redirect to https, found one to file");
        let long = vec![url("http://a.example/"); REDIRECTS_MAX + 1];
        assert!(forbidden(&long[1..], &url("http://a.example/")).is_none());
        assert!(forbidden(&long, &url("http://a.example/")).is_some());
    }
}
