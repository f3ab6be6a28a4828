//! URLs: servers that break off, lie, refuse ranges, lead astray, or change their mind.

use super::{content, fail, fetch, line, part, temp_dir};
use everboot_kit::server::{Answer, Server};
use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Command, Stdio};

const LEN: usize = 300_000;

/// A system without certificates of authorities.
const NO_AUTHORITIES: &str = "SSL_CERT_DIR=none SSL_CERT_FILE=none";

#[test]
fn what_a_url_stands_for_is_fetched_and_called_as_it_is_there() {
    let temp_dir = temp_dir("plain");
    let bytes = content(1, LEN);
    let had = bytes.clone();
    let server = Server::start(move |request, _| Answer::file(request, &had, "a"));
    let said = fetch(&temp_dir, &server.url("v1.everboot"), &bytes);
    assert!(said.contains("100 % (300000 of 300000 bytes)"), "{said}");
    assert_eq!(fetch(&temp_dir, &format!("--no-progress {}", server.url("v1.everboot")), &bytes), "");
    temp_dir.run(&format!("NO_PROXY=127.0.0.1 everboot-fetch {}", server.url("a/v1.everboot?token=x/y")));
    assert!(temp_dir.read("v1.everboot") == bytes);
    assert_eq!(fs::read_dir(&temp_dir.0).unwrap().count(), 1);
}

#[test]
fn what_breaks_off_is_gone_on_with() {
    let temp_dir = temp_dir("breaks");
    let bytes = content(2, LEN);
    let had = bytes.clone();
    let server = Server::start(move |request, _| Answer::file(request, &had, "a").cut(90_000));
    fetch(&temp_dir, &server.url("x"), &bytes);
    let places: Vec<_> = server.seen().iter().map(|request| request.from().unwrap_or(0)).collect();
    assert_eq!(places, [0, 89_999, 179_998, 269_997], "each goes on where the last one broke off");
    assert!(server.seen().iter().skip(1).all(|request| request.header("if-range") == Some("\"a\"")));
}

#[test]
fn a_part_stays_for_the_next_run() {
    let temp_dir = temp_dir("stays");
    let bytes = content(3, LEN);
    let had = bytes.clone();
    let server = Server::start(move |request, before| match before {
        0..2 => Answer::file(request, &had, "a").cut(if before == 0 { 90_000 } else { 0 }),
        _ => Answer::file(request, &had, "a"),
    });
    let url = server.url("x");
    fail(&temp_dir, &format!("--tries 1 {url}"), 1, "the connection broke off");
    assert_eq!(part(&temp_dir), 90_000);
    fail(&temp_dir, &format!("--tries 1 {url}"), 1, "the connection broke off");
    assert!(part(&temp_dir) >= 89_999);
    fetch(&temp_dir, &url, &bytes);
    assert_eq!(server.seen().last().unwrap().from(), Some(89_998));
}

#[test]
fn tries_come_to_an_end_when_a_server_refuses_ranges_and_breaks_off() {
    let temp_dir = temp_dir("refuses");
    let bytes = content(4, LEN);
    let had = bytes.clone();
    let server = Server::start(move |_, before| {
        let whole = Answer::whole(&had, "a");
        if before < 5 { whole.cut(90_000) } else { whole }
    });
    let url = server.url("x");
    // The first try brings something new, those after it do not.
    fail(&temp_dir, &format!("--tries 5 {url}"), 1, "the connection broke off");
    assert_eq!(server.seen().len(), 5);
    fetch(&temp_dir, &url, &bytes);
    assert!(server.seen().last().unwrap().from().is_some(), "it asked for the rest, and got all");
}

#[test]
fn a_file_that_changes_between_two_requests_is_fetched_anew() {
    let (old, new) = (content(5, LEN), content(6, LEN));
    // A server that knows If-Range sends all of it; one that does not sends the rest of something else.
    for knows in [true, false] {
        let temp_dir = temp_dir(&format!("changes-{knows}"));
        let (had, has) = (old.clone(), new.clone());
        let server = Server::start(move |request, before| match (before, request.from()) {
            (0, _) => Answer::whole(&had, "old").cut(90_000),
            (_, Some(from)) if !knows => Answer::rest(&has, "new", from),
            _ => Answer::file(request, &has, "new"),
        });
        fetch(&temp_dir, &server.url("x"), &new);
    }
    // It has become shorter than what is there.
    let temp_dir = temp_dir("shorter");
    let (had, has) = (old, new[..1000].to_vec());
    let server = Server::start(move |request, before| match (before, request.from()) {
        (0, _) => Answer::whole(&had, "old").cut(90_000),
        (_, Some(_)) => Answer::new("416 Range Not Satisfiable", &[], b""),
        _ => Answer::file(request, &has, "new"),
    });
    fetch(&temp_dir, &server.url("x"), &new[..1000]);
}

#[test]
fn a_part_of_something_else_is_not_gone_on_with() {
    let temp_dir = temp_dir("other");
    let (one, other) = (content(7, LEN), content(8, LEN));
    let (had, has) = (one.clone(), other.clone());
    let server = Server::start(move |request, before| match request.path.as_str() {
        "/one" if before == 0 => Answer::file(request, &had, "a").cut(90_000),
        "/one" => Answer::file(request, &had, "a"),
        "/other" => Answer::file(request, &has, "a"),
        _ => Answer::new("404 Not Found", &[], b""),
    });
    fail(&temp_dir, &format!("--tries 1 {}", server.url("one")), 1, "the connection broke off");
    // What is not there takes no part away.
    fail(&temp_dir, &server.url("none"), 1, "the server answers 404 Not Found");
    assert_eq!(part(&temp_dir), 90_000);
    fetch(&temp_dir, &server.url("other"), &other);
    assert_eq!(server.seen().last().unwrap().from(), None);
    // Without an ETag or a date the download starts anew.
    fail(&temp_dir, &server.url("none"), 1, "404");
    assert_eq!(part(&temp_dir), 0);
}

#[test]
fn what_nothing_tells_from_something_else_is_fetched_anew() {
    let temp_dir = temp_dir("untold");
    let bytes = content(9, LEN);
    let had = bytes.clone();
    let server = Server::start(move |_, before| {
        let whole = Answer::new("200 OK", &["ETag: W/\"weak\""], &had);
        if before == 0 { whole.cut(90_000) } else { whole }
    });
    fetch(&temp_dir, &server.url("x"), &bytes);
    assert_eq!(server.seen()[1].from(), None);
}

#[test]
fn redirects_are_followed_but_neither_for_ever_nor_to_anywhere() {
    let temp_dir = temp_dir("redirects");
    let bytes = content(10, LEN);
    let had = bytes.clone();
    let server = Server::start(move |request, _| match request.path.as_str() {
        "/five" => Answer::redirect("/four"),
        "/four" => Answer::redirect("/three"),
        "/three" => Answer::redirect("/two"),
        "/two" => Answer::redirect("/one"),
        "/one" => Answer::redirect("/file"),
        "/six" => Answer::redirect("/five"),
        "/loop" => Answer::redirect("/loop"),
        "/ftp" => Answer::redirect("ftp://127.0.0.1/file"),
        "/local" => Answer::redirect("file:///etc/passwd"),
        _ => Answer::file(request, &had, "a"),
    });
    fetch(&temp_dir, &server.url("five"), &bytes);
    let before = server.seen().len();
    for (path, why) in [
        ("six", "expected at most 5 redirects, found more"),
        ("loop", "expected at most 5 redirects, found more"),
        ("ftp", "expected a redirect to https, found one to ftp"),
        ("local", "the server answers 302 Found"),
    ] {
        fail(&temp_dir, &server.url(path), 1, why);
    }
    assert_eq!(server.seen().len() - before, 6 + 6 + 2, "none of them is tried again");
}

#[test]
fn no_redirect_leads_from_tls_to_plain_text() {
    let temp_dir = temp_dir("tls");
    let bytes = content(11, 1000);
    let had = bytes.clone();
    let plain = Server::start(move |request, _| Answer::file(request, &had, "a"));
    let answer = |head: String, body: &[u8]| {
        [format!("HTTP/1.0 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
    };
    temp_dir.write("file", &answer("200 OK".into(), &bytes));
    temp_dir.write("down", &answer(format!("302 Found\r\nLocation: {}", plain.url("file")), b""));
    temp_dir.write("openssl.cnf", b"[req]\ndistinguished_name = dn\n[dn]\n");
    temp_dir.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.pem -days 2 \
         -config openssl.cnf -subj /CN=test -addext subjectAltName=IP:127.0.0.1 2>&1",
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut safe = Command::new("openssl");
    safe.args(["s_server", "-quiet", "-HTTP", "-cert", "tls.pem", "-key", "tls.key"])
        .current_dir(&temp_dir.0);
    safe.args(["-accept", &format!("127.0.0.1:{port}")]);
    let mut safe = safe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let url = |path: &str| format!("https://127.0.0.1:{port}/{path}");
    let run = |path: &str, more: &str| {
        temp_dir.try_run(&format!("SSL_CERT_FILE=tls.pem {}", line(&format!("{more} {}", url(path)))))
    };
    let (code, said) = run("file", "");
    let fetched = fs::read(temp_dir.0.join("out"));
    let _ = fs::remove_file(temp_dir.0.join("out"));
    let (refused, why) = run("down", "");
    // Nobody vouches for this certificate.
    let ask = line(&format!("--tries 1 {}", url("file")));
    let unknown = temp_dir.try_run(&ask);
    let nobody = temp_dir.try_run(&format!("{NO_AUTHORITIES} {ask}"));
    let _ = safe.kill();
    let _ = safe.wait();
    assert!(code == Some(0) && fetched.unwrap() == bytes, "{said}");
    assert!(refused == Some(1) && why.contains("expected a redirect to https, found one to http: "), "{why}");
    for refused in [unknown, nobody] {
        assert!(refused.0 == Some(1) && refused.1.contains("certificate"), "{refused:?}");
    }
    assert!(plain.seen().is_empty() && !temp_dir.0.join("out").exists());
}

/// Small systems have none.
#[test]
fn plain_http_needs_no_authorities() {
    let (temp_dir, bytes) = (temp_dir("no-authorities"), content(13, 1000));
    let had = bytes.clone();
    let server = Server::start(move |request, _| Answer::file(request, &had, "a"));
    temp_dir.run(&format!("{NO_AUTHORITIES} {}", line(&server.url("file"))));
    assert!(temp_dir.read("out") == bytes);
}

#[test]
fn what_may_be_over_soon_is_tried_again_and_nothing_else() {
    let temp_dir = temp_dir("again");
    let bytes = content(12, 1000);
    let had = bytes.clone();
    let server = Server::start(move |request, before| match (request.path.as_str(), before) {
        ("/busy", 0) => Answer::new("503 Service Unavailable", &[], b""),
        ("/busy", 1) => Answer::new("429 Too Many Requests", &[], b""),
        ("/down", _) => Answer::new("500 Internal Server Error", &[], b""),
        ("/none", _) => Answer::new("410 Gone", &[], b""),
        _ => Answer::file(request, &had, "a"),
    });
    let said = fetch(&temp_dir, &server.url("busy"), &bytes);
    assert_eq!(said.matches("; trying again in 0 s").count(), 2, "{said}");
    let count = |path: &str| server.seen().iter().filter(|request| request.path == path).count();
    fail(&temp_dir, &format!("--tries 3 {}", server.url("down")), 1, "the server answers 500");
    fail(&temp_dir, &server.url("none"), 1, "the server answers 410 Gone");
    assert_eq!((count("/down"), count("/none")), (3, 1));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fail(&temp_dir, &format!("--tries 2 http://{nobody}/x"), 1, "Connection refused");
}

#[test]
fn what_has_no_room_is_not_begun() {
    let temp_dir = temp_dir("room");
    let server = Server::start(|_, _| Answer { len: Some(1 << 60), ..Answer::whole(b"x", "a") });
    fail(&temp_dir, &server.url("x"), 9, "1152921504606846976 bytes are needed, ");
    assert_eq!(fs::read_dir(&temp_dir.0).unwrap().count(), 0);
}

#[test]
fn two_at_once_do_not_write_the_same_file() {
    let temp_dir = temp_dir("twice");
    let server = Server::start(|request, _| Answer::file(request, b"bytes", "a"));
    let held = File::create(temp_dir.0.join("out.part")).unwrap();
    held.lock().unwrap();
    fail(&temp_dir, &server.url("x"), 6, "out.part: another everboot-fetch is at work on it");
    drop(held);
    fetch(&temp_dir, &server.url("x"), b"bytes");
}

#[test]
fn what_is_taken_away_while_it_is_written_gets_no_name() {
    let temp_dir = temp_dir("taken");
    let part = temp_dir.0.join("out.part");
    let taken = part.clone();
    let server = Server::start(move |request, before| {
        if before == 0 {
            fs::remove_file(&taken).unwrap();
            fs::write(&taken, b"another's").unwrap();
        }
        Answer::file(request, b"bytes", "a")
    });
    fail(&temp_dir, &server.url("x"), 1, "out.part was taken away while it was written");
    assert_eq!(fs::read(part).unwrap(), b"another's");
    assert!(!temp_dir.0.join("out").exists());
}

#[test]
fn a_file_is_a_source_too_and_a_device_is_no_output() {
    let temp_dir = temp_dir("file");
    let bytes = content(13, LEN);
    temp_dir.write("bundle", &bytes);
    fetch(&temp_dir, "file:bundle", &bytes);
    fail(&temp_dir, "file:none", 1, "read none: No such file");
    fail(&temp_dir, "file:.", 1, "expected a file, found something else");
    let (code, said) = temp_dir.try_run("everboot-fetch -o /dev/null file:bundle");
    assert!(
        code == Some(1) && said.contains("/dev/null: expected a file, found a device or a folder"),
        "{said}"
    );
    fail(
        &temp_dir,
        "bundle",
        2,
        "bundle: expected oci:NAME, an https: or http: URL, file:PATH or channel:URL",
    );
}
