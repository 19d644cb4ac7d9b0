//! Endpoints that answer and endpoints that do not.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    context::endpoint::Endpoint,
    doctor::{Answer, EndpointFacts, Vantage},
    target::Process,
};

const LIMIT: Duration = Duration::from_secs(1);

fn wait<T>(asking: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    runtime.block_on(asking)
}

fn ask(endpoint: &str) -> Answer {
    wait(EndpointFacts::ask(Endpoint::new(endpoint), LIMIT)).answer
}

#[test]
fn a_listener_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for endpoint in [
        format!("http://{address}"),
        format!("https://{address}/v1/traces"),
        format!("http://user:secret@{address}"),
        format!("{address}"),
    ] {
        assert_eq!(ask(&endpoint), Answer::Connected(address), "{endpoint}");
    }
}

#[test]
fn silence_is_told_from_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let refused = Answer::Refused("connection refused: nobody listens there".into());
    assert_eq!(ask(&format!("http://{address}")), refused);
    // A resolver that nobody answers ends by the limit.
    let answer = ask("http://no-such-host.invalid:4317");
    assert!(
        matches!(answer, Answer::Unresolved(_) | Answer::TimedOut(_)),
        "{answer:?}"
    );
}

#[test]
fn what_is_no_endpoint_is_said_so() {
    fn check(endpoint: &str, expected: &str) {
        assert_eq!(ask(endpoint), Answer::BadUrl(expected.into()), "{endpoint}");
    }
    check("ftp://host", "`ftp:` is not http or https");
    check("http://", "not a URL: empty string");
    check("http://:80", "no host");
    check("http://host:99999", "not a port number");
}

/// Serves on an address that is taken or unused elsewhere, in a network of its own.
const SERVE: &str = "
import fcntl, socket, struct, sys
lo = socket.socket()
fcntl.ioctl(lo, 0x8914, struct.pack('16sH14x', b'lo', 1))  # SIOCSIFFLAGS, IFF_UP
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
";

#[test]
fn a_target_in_a_network_of_its_own_is_asked_for_inside() {
    let mut child = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "python3", "-c", SERVE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let port: u16 = line.trim().parse().unwrap();
    let process = Process::open(child.id()).unwrap();
    let endpoint = Endpoint::new(format!("http://127.0.0.1:{port}"));
    let inside = wait(EndpointFacts::ask_from(&process, endpoint.clone(), LIMIT));
    let outside = wait(EndpointFacts::ask(endpoint, LIMIT));
    child.kill().unwrap();
    child.wait().unwrap();
    if rustix::process::geteuid().is_root() {
        let address = ([127, 0, 0, 1], port).into();
        assert_eq!(inside.answer, Answer::Connected(address));
        assert_eq!(inside.from, Vantage::Target);
    } else {
        // Only root may enter; the answer is then said to be from here.
        assert_eq!(inside, outside);
    }
    assert_eq!(outside.from, Vantage::Hotspan);
    assert!(matches!(outside.answer, Answer::Refused(_)), "{outside:?}");
}
