//! `hotspan top`: requests in flight, begun before it or after, held against what the service itself knows.

use std::{
    process::Command,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hotspan_tests::{
    agent,
    gate::require_bpf,
    http, paths,
    process::{Process, descendants},
    service::{App, Options, Service},
    truth::Call,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::scene;

/// Time from start to the first picture, and from a key to the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a line of a picture says.
#[derive(Debug)]
struct Row {
    seconds: f64,
    threads: usize,
    likely: usize,
    doing: String,
}

/// The rows of a request of this name, in all pictures.
fn rows(text: &str, request: &str) -> Vec<Row> {
    text.lines().filter_map(|line| row(line, request)).collect()
}

fn row(line: &str, request: &str) -> Option<Row> {
    let (age, rest) = line.split_once(request)?;
    let (number, unit) = age.trim().trim_start_matches('>').split_once(' ')?;
    let scale = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        _ => return None,
    };
    let (threads, doing) = rest.trim().split_once("  ")?;
    let (threads, likely) = threads.split_once('+').unwrap_or((threads, "0"));
    Some(Row {
        seconds: number.parse::<f64>().ok()? * scale,
        threads: threads.parse().ok()?,
        likely: likely.trim_end_matches('?').parse().ok()?,
        doing: doing.to_owned(),
    })
}

fn unix_seconds() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is after 1970").as_secs_f64()
}

/// One picture, and the times between which it was made.
fn look_once(pid: u32) -> (String, f64, f64) {
    let begin = unix_seconds();
    let (code, out, err) = agent::run(["top", "--pid", &pid.to_string(), "--once"]).unwrap();
    assert_eq!(code, Some(0), "{out}\n{err}");
    (out, begin, unix_seconds())
}

fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .expect("the service runs")
        .count()
}

fn solves(calls: &[Call]) -> Vec<&Call> {
    calls
        .iter()
        .filter(|call| call.region == "cpsat.solve")
        .collect()
}

#[test]
fn a_solve_that_began_before_is_shown() {
    let Some(_turn) = require_bpf("top, of a solve that began before") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let idle = threads(service.pid());
    let (text, begin, end) = thread::scope(|scope| {
        let port = service.port;
        let request = scope.spawn(move || {
            let path = "/cpsat?workers=4&jobs=25&machines=25&limit=25";
            http::get(&http::client(), port, path)
        });
        scene::wait_until("the solve's threads", || threads(service.pid()) >= idle + 5);
        // The solve's own thread wakes up ten times a second, to see whether it is to stop: of five looks,
        // one finds it waiting.
        let mut look = look_once(service.pid());
        for _ in 1..5 {
            if look.0.contains(": lock") {
                break;
            }
            look = look_once(service.pid());
        }
        let (out, begin, end) = look;
        assert!(!request.is_finished(), "the solve was over too early");
        request.join().unwrap().unwrap();
        (out, begin, end)
    });
    let calls = service.stop().unwrap();
    let start = solves(&calls)[0].start_ns as f64 / 1e9;
    let rows = rows(&text, "GET /cpsat");
    let [row] = rows.as_slice() else {
        panic!("one request is in flight:\n{text}");
    };
    // The request's span begins some milliseconds before the call; the model is built in between.
    let age = begin - start - 0.01..end - start + 1.0;
    assert!(age.contains(&row.seconds), "{age:?}: {text}");
    assert!(row.doing.contains("cpsat.solve › cpsat.search"), "{text}");
    assert!(row.doing.contains("waits"), "{text}");
    assert!(row.doing.contains(": lock"), "{text}");
    assert_eq!(row.threads, 1, "{text}");
    assert!((1..=4).contains(&row.likely), "{text}");
}

#[test]
fn a_solve_that_begins_after_is_shown_with_its_threads_until_it_ends() {
    let Some(_turn) = require_bpf("top, of a solve that begins after") else {
        return;
    };
    let service = Options::default().start().unwrap();
    let pid = service.pid();
    let mut top = top_of_a_quiet_service(pid);
    service
        .get("/cpsat?workers=4&jobs=25&machines=25&limit=4")
        .unwrap();
    top.wait_stdout(&format!("{pid} (uvicorn): 1 request"), PATIENCE)
        .unwrap();
    top.wait_stdout(&format!("{pid} (uvicorn): no request"), PATIENCE)
        .unwrap();
    top.signal(Signal::INT).unwrap();
    let status = top.wait(PATIENCE).unwrap();
    let text = top.stdout();
    assert_eq!(status.code(), Some(0), "{text}\n{}", top.stderr());
    assert!(!text.contains('\x1b'), "no colours off a terminal:\n{text}");
    let calls = service.stop().unwrap();
    let call = solves(&calls)[0];
    let length = (call.end_ns - call.start_ns) as f64 / 1e9;
    let rows = rows(&text, "GET /cpsat");
    let of_search = |row: &&Row| row.doing.contains("cpsat.solve › cpsat.search");
    let searching: Vec<&Row> = rows.iter().filter(of_search).collect();
    // Twice a second.
    assert!(searching.len() as f64 >= length, "{length}: {text}");
    assert!(
        searching.iter().any(|row| row.threads == 5),
        "the handler's thread and four workers:\n{text}"
    );
    let ages: Vec<f64> = rows.iter().map(|row| row.seconds).collect();
    assert!(ages.is_sorted(), "{ages:?}");
    let waits = |row: &&&Row| row.doing.contains(": lock");
    assert!(searching.iter().filter(waits).count() > 0, "{text}");
}

fn dark() -> Service {
    let options = Options {
        app: App::Dark,
        ..Options::default()
    };
    options.start().unwrap()
}

/// `top`, once it has shown that nothing is in flight.
fn top_of_a_quiet_service(pid: u32) -> Process {
    let pid = pid.to_string();
    let mut top =
        Process::start(Command::new(paths::agent().unwrap()).args(["top", "--pid", &pid])).unwrap();
    top.wait_stdout(&format!("{pid} (uvicorn): no request"), PATIENCE)
        .unwrap();
    top
}

#[test]
fn what_a_python_function_waits_for_is_shown() {
    let Some(_turn) = require_bpf("top, of a function that sleeps") else {
        return;
    };
    let service = dark();
    let pid = service.pid();
    let mut top = top_of_a_quiet_service(pid);
    service.get("/background").unwrap();
    scene::wait_until("the end of the sleep", || {
        !service.truth().unwrap().is_empty()
    });
    top.signal(Signal::INT).unwrap();
    top.wait(PATIENCE).unwrap();
    let text = top.stdout();
    let rows = rows(&text, "BackgroundTask send_report");
    let sleeps = |row: &Row| row.doing.contains("send_report") && row.doing.contains(": sleep");
    assert!(rows.iter().any(sleeps), "{text}");
}

#[test]
fn an_await_that_hangs_is_shown_as_long_as_it_does() {
    let Some(_turn) = require_bpf("top, of an await that hangs") else {
        return;
    };
    let service = dark();
    let pid = service.pid();
    let mut top = top_of_a_quiet_service(pid);
    service.get("/dependency?seconds=6").unwrap();
    // After its end, it is gone.
    top.wait_stdout(&format!("{pid} (uvicorn): no request"), PATIENCE)
        .unwrap();
    top.signal(Signal::INT).unwrap();
    top.wait(PATIENCE).unwrap();
    let text = top.stdout();
    let rows = rows(&text, "GET /dependency");
    let awaits = |row: &&Row| row.doing.contains(": await");
    let longest = rows.iter().filter(awaits).map(|row| row.seconds);
    assert!(longest.fold(0.0, f64::max) > 5.0, "{text}");
}

#[test]
fn a_request_that_hangs_since_before_is_shown() {
    let Some(_turn) = require_bpf("top, of a request that hangs since before") else {
        return;
    };
    let service = dark();
    // So that the pool has its thread: it is the hang itself that is waited for below.
    service.get("/locked?seconds=0").unwrap();
    let (text, begin, end) = thread::scope(|scope| {
        let port = service.port;
        let request = scope.spawn(move || http::get(&http::client(), port, "/locked?seconds=12"));
        // The pool's idle threads have no deadline.
        scene::wait_until("the hang", || {
            threads_waits(service.pid()).any(|line| has_deadline(&line))
        });
        let begin = unix_seconds();
        let pid = service.pid().to_string();
        let (code, out, err) = agent::run(["top", "--pid", &pid, "--once"]).unwrap();
        let end = unix_seconds();
        assert_eq!(code, Some(0), "{out}\n{err}");
        assert!(!request.is_finished(), "it was over too early");
        request.join().unwrap().unwrap();
        (out, begin, end)
    });
    let calls = service.stop().unwrap();
    let long = calls.iter().max_by_key(|call| call.end_ns - call.start_ns);
    let start = long.expect("the service writes its calls").start_ns as f64 / 1e9;
    let rows = rows(&text, "GET /locked");
    let [row] = rows.as_slice() else {
        panic!("one request is in flight:\n{text}");
    };
    let age = begin - start - 0.01..end - start + 1.0;
    assert!(age.contains(&row.seconds), "{age:?}: {text}");
    assert!(row.doing.starts_with("wait_for_lock"), "{text}");
    assert!(row.doing.contains("waits"), "{text}");
    assert!(row.doing.contains(": lock"), "{text}");
    assert_eq!((row.threads, row.likely), (1, 0), "{text}");
}

fn threads_waits(pid: u32) -> impl Iterator<Item = String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the service runs");
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("syscall")).ok())
}

/// `futex` is 202; its fourth argument is the deadline.
fn has_deadline(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.first() == Some(&"202") && words.get(4).is_some_and(|deadline| *deadline != "0x0")
}

/// In a terminal of its own, as `script` (util-linux) makes one.
fn in_a_terminal(pid: u32) -> Process {
    let agent = paths::agent().unwrap();
    let command = format!("{} top --pid {pid}", agent.display());
    Process::start(
        Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .env("TERM", "xterm"),
    )
    .unwrap()
}

/// Everything that was switched on is off again, in the end.
fn assert_restored(text: &str) {
    for (on, off) in [("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?25l", "\x1b[?25h")] {
        let (on, off) = (text.rfind(on), text.rfind(off));
        assert!(on.is_some() && off > on, "{text:?}");
    }
}

#[test]
fn the_terminal_is_as_it_was_after_q_and_after_sigterm() {
    let Some(_turn) = require_bpf("top, in a terminal") else {
        return;
    };
    let service = Options::default().start().unwrap();
    for by_key in [true, false] {
        let mut script = in_a_terminal(service.pid());
        script.wait_stdout("q quits", PATIENCE).unwrap();
        if by_key {
            script.tell("q").unwrap();
        } else {
            let top = descendants(script.pid()).pop().expect("it runs");
            let top = Pid::from_raw(top as i32).expect("a pid is not zero");
            kill_process(top, Signal::TERM).unwrap();
        }
        let status = script.wait(PATIENCE).unwrap();
        let text = script.stdout();
        assert_eq!(status.code(), Some(0), "{text:?}");
        assert!(text.contains("no request in flight"), "{text:?}");
        assert_restored(&text);
    }
}

#[test]
fn nobody_is_there() {
    let (code, _, err) = agent::run(["top", "--pid", "4194305"]).unwrap();
    assert_eq!(code, Some(4), "{err}");
}
