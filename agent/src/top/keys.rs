//! Keys, as the terminal sends them once it is in raw mode.

use std::{io, thread};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use tokio::sync::oneshot;

/// Is ready when somebody presses `q`, Escape or Ctrl-C. Without a terminal to read from, never.
///
/// # Errors
/// No more threads.
pub fn quit() -> io::Result<impl Future<Output = ()>> {
    let (tell, told) = oneshot::channel();
    // It ends with the process: a read of the terminal cannot be called off.
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            while let Ok(event) = read() {
                if is_quit(&event) {
                    // Nobody waits for it any more if this fails.
                    let _ = tell.send(());
                    return;
                }
            }
        })?;
    Ok(async move {
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

fn is_quit(event: &Event) -> bool {
    let Event::Key(KeyEvent {
        code,
        modifiers,
        kind: KeyEventKind::Press,
        ..
    }) = event
    else {
        return false;
    };
    let is_interrupt = *code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL);
    is_interrupt || matches!(code, KeyCode::Char('q') | KeyCode::Esc)
}

#[cfg(test)]
mod tests {
    use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

    use super::is_quit;

    #[test]
    fn keys_that_quit() {
        let key = |code, modifiers| is_quit(&Event::Key(KeyEvent::new(code, modifiers)));
        assert!(key(KeyCode::Char('q'), KeyModifiers::NONE));
        assert!(key(KeyCode::Esc, KeyModifiers::NONE));
        assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE));
        assert!(!key(KeyCode::Char('x'), KeyModifiers::NONE));
        assert!(!is_quit(&Event::Resize(80, 24)));
    }
}
