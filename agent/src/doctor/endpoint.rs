//! Does an endpoint answer?

use std::{
    fs::File,
    io,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    os::fd::AsFd,
    thread,
    time::{Duration, Instant},
};

use http::Uri;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::{sync::oneshot, time::timeout};

use crate::{context::endpoint::Endpoint, target::Process};

/// What came of connecting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Something accepts connections at this address.
    Connected(SocketAddr),
    /// Nothing does, and why.
    Refused(String),
    /// The host's name means nothing here, and why.
    Unresolved(String),
    /// No answer in time.
    TimedOut(Duration),
    /// Not a URL that could be connected to, and why.
    BadUrl(String),
}

/// Whose network an endpoint was asked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vantage {
    /// hotspan's.
    Hotspan,
    /// The target's; names are resolved as hotspan's mounts say all the same.
    Target,
}

/// An endpoint that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointFacts {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Where it was asked from.
    pub from: Vantage,
    /// What came of it.
    pub answer: Answer,
}

impl EndpointFacts {
    /// Connects to the host and port of `endpoint` by TCP and hangs up. `limit` bounds the whole of
    /// it. An endpoint without a scheme is taken as `http`.
    ///
    /// Must be called within a tokio runtime with time.
    pub async fn ask(endpoint: Endpoint, limit: Duration) -> Self {
        let answer = ask(&endpoint, limit, || Ok(())).await;
        Self {
            // None is for those who could not enter.
            answer: answer.unwrap_or(Answer::TimedOut(limit)),
            from: Vantage::Hotspan,
            endpoint,
        }
    }

    /// The same from the network namespace of `process`, or, if that cannot be entered, from
    /// hotspan's.
    pub async fn ask_from(process: &Process, endpoint: Endpoint, limit: Duration) -> Self {
        let namespace = File::open(process.proc_dir().join("ns/net"));
        let enter = move || {
            let kind = Some(LinkNameSpaceType::Network);
            Ok(move_into_link_name_space(namespace?.as_fd(), kind)?)
        };
        match ask(&endpoint, limit, enter).await {
            Some(answer) => Self {
                endpoint,
                from: Vantage::Target,
                answer,
            },
            None => Self::ask(endpoint, limit).await,
        }
    }
}

/// Asks on a thread of its own, which `enter` can move elsewhere for good; `None` if it could not.
///
/// A thread also because resolving a name cannot be bounded in time: it is left to end by itself.
async fn ask(
    endpoint: &Endpoint,
    limit: Duration,
    enter: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Option<Answer> {
    let (host, port) = match host_and_port(endpoint.reveal()) {
        Ok(place) => place,
        Err(why) => return Some(Answer::BadUrl(why)),
    };
    let (sender, receiver) = oneshot::channel();
    let asking = thread::Builder::new()
        .name("hotspan-ask".to_owned())
        .spawn(move || {
            let answer = enter().ok().map(|()| connect(&host, port, limit));
            // Nobody waits for it any more after the limit.
            let _ = sender.send(answer);
        });
    if let Err(error) = asking {
        return Some(Answer::Refused(error.to_string()));
    }
    match timeout(limit, receiver).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Some(Answer::TimedOut(limit)),
    }
}

fn host_and_port(endpoint: &str) -> Result<(String, u16), String> {
    let with_scheme = if endpoint.contains("://") {
        endpoint.to_owned()
    } else {
        format!("http://{endpoint}")
    };
    let uri: Uri = with_scheme
        .parse()
        .map_err(|error: http::uri::InvalidUri| format!("not a URL: {error}"))?;
    let default_port = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        other => {
            return Err(format!(
                "`{}:` is not http or https",
                other.unwrap_or_default()
            ));
        }
    };
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or("no host")?;
    let port = match (uri.port_u16(), has_port(&uri)) {
        (Some(port), _) => port,
        (None, false) => default_port,
        (None, true) => return Err("not a port number".to_owned()),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), port))
}

/// Whether something follows the host's colon: `port_u16` is silent about what is no number.
fn has_port(uri: &Uri) -> bool {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let place = authority.rsplit('@').next().unwrap_or(authority);
    uri.host().is_some_and(|host| place != host)
}

fn connect(host: &str, port: u16, limit: Duration) -> Answer {
    let deadline = Instant::now() + limit;
    let addresses = match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Answer::Unresolved(error.to_string()),
    };
    let mut answer = Answer::Refused("no address".to_owned());
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Answer::TimedOut(limit);
        }
        answer = match TcpStream::connect_timeout(&address, left) {
            Ok(_) => return Answer::Connected(address),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Answer::TimedOut(limit),
            Err(error) => Answer::Refused(plain(&error)),
        };
    }
    answer
}

/// Without the error's number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nobody listens there".to_owned(),
        _ => error.to_string(),
    }
}
