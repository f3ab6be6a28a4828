//! A real HTTP server whose faults a test chooses: it serves a file as it should, or breaks off, lies, or redirects.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What was asked for.
#[derive(Clone)]
pub struct Request {
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// From which byte on.
    pub fn from(&self) -> Option<usize> {
        let (from, _) = self.header("range")?["bytes=".len()..].split_once('-').unwrap();
        Some(from.parse().unwrap())
    }

    /// Up to which byte; `None` for all that there is.
    pub fn last(&self) -> Option<usize> {
        self.header("range")?.split_once('-').unwrap().1.parse().ok()
    }
}

/// What is answered.
#[derive(Clone)]
pub struct Answer {
    pub status: &'static str,
    pub headers: Vec<String>,
    /// What the length is said to be; nothing is said when absent.
    pub len: Option<usize>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: &'static str, headers: &[&str], body: &[u8]) -> Self {
        let headers = headers.iter().map(|text| (*text).to_owned()).collect();
        Self { status, headers, len: Some(body.len()), body: body.to_vec() }
    }

    pub fn redirect(to: &str) -> Self {
        Self::new("302 Found", &[&format!("Location: {to}")], b"")
    }

    pub fn whole(bytes: &[u8], tag: &str) -> Self {
        Self::new("200 OK", &[&format!("ETag: \"{tag}\"")], bytes)
    }

    pub fn rest(bytes: &[u8], tag: &str, from: usize) -> Self {
        let range = format!("Content-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
        Self::new("206 Partial Content", &[&format!("ETag: \"{tag}\""), &range], &bytes[from..])
    }

    /// So many bytes of it.
    fn piece(bytes: &[u8], tag: &str, from: usize, last: usize) -> Self {
        let range = format!("Content-Range: bytes {from}-{last}/{}", bytes.len());
        Self::new("206 Partial Content", &[&format!("ETag: \"{tag}\""), &range], &bytes[from..=last])
    }

    /// As a server should: the rest of what it has, if that is what the client has a part of.
    pub fn file(request: &Request, bytes: &[u8], tag: &str) -> Self {
        let is_same = request.header("if-range").is_none_or(|value| value == format!("\"{tag}\""));
        match request.from().filter(|_| is_same) {
            None => Self::whole(bytes, tag),
            Some(from) if from < bytes.len() => match request.last() {
                Some(last) => Self::piece(bytes, tag, from, last.min(bytes.len() - 1)),
                None => Self::rest(bytes, tag, from),
            },
            Some(_) => Self::new(
                "416 Range Not Satisfiable",
                &[&format!("Content-Range: bytes */{}", bytes.len())],
                b"",
            ),
        }
    }

    /// The same with only so many bytes of what was announced.
    pub fn cut(mut self, len: usize) -> Self {
        self.body.truncate(len);
        self
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", self.status);
        self.headers.iter().for_each(|header| head += &format!("{header}\r\n"));
        if let Some(len) = self.len {
            head += &format!("Content-Length: {len}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        stream.write_all(&self.body)
    }
}

/// A server on a port of its own; it ends with the test.
pub struct Server {
    host: String,
    seen: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers each request with what `answer` says to it and to how many came before.
    pub fn start(answer: impl Fn(&Request, usize) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (seen, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, end) = (seen.clone(), is_over.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                let before = log.lock().unwrap().len();
                log.lock().unwrap().push(request.clone());
                // A client that goes away is no fault of the server.
                let _ = answer(&request, before).send(&mut stream);
            }
        });
        Self { host, seen, is_over, thread: Some(thread) }
    }

    /// What was asked for until now.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.host)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.host);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    });
    let headers = headers.collect();
    Some(Request { path, headers })
}
