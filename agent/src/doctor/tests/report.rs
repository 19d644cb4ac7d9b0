//! How a report is shown, and how it ends.

use crate::{
    args::Exit,
    doctor::{Check, Glyphs, Report, Section, Verdict},
};

fn check(section: Section, name: &'static str, verdict: Verdict, remedy: Option<&str>) -> Check {
    let remedy = remedy.map(str::to_owned);
    Check {
        section,
        name,
        verdict,
        what: format!("what of {name}"),
        remedy,
    }
}

fn report() -> Report {
    use {
        Section::{Host, Target},
        Verdict::{Missing, Note, Ok, Warn},
    };
    Report {
        checks: vec![
            check(Host, "kernel", Ok, None),
            check(Host, "tracefs", Missing, Some("mount it")),
            check(Target, "regions", Warn, Some("look")),
            check(Target, "SDK", Note, None),
        ],
    }
}

fn allowed() -> Report {
    let mut report = report();
    report.checks.retain(|check| check.name != "tracefs");
    report
}

#[test]
fn text() {
    assert_eq!(
        report().to_text(Glyphs::Unicode),
        "This host\n  ✓ kernel   what of kernel\n  ✗ tracefs  what of tracefs\n             → mount it\n\n\
         The target\n  ! regions  what of regions\n             → look\n  · SDK      what of SDK\n\n\
         Live tracing: not allowed, 1 missing on this host. The target: 1 of the above may cost spans.\n"
    );
    let mut host_only = allowed();
    host_only.checks.truncate(1);
    assert_eq!(
        host_only.to_text(Glyphs::Ascii),
        "This host\n  + kernel  what of kernel\n\nLive tracing: allowed.\n"
    );
}

#[test]
fn json() {
    let json: serde_json::Value = serde_json::from_str(&report().to_json().unwrap()).unwrap();
    let expected = serde_json::json!({
        "live_tracing": false,
        "checks": [
            {"section": "host", "name": "kernel", "verdict": "ok", "what": "what of kernel", "remedy": null},
            {"section": "host", "name": "tracefs", "verdict": "missing", "what": "what of tracefs", "remedy": "mount it"},
            {"section": "target", "name": "regions", "verdict": "warn", "what": "what of regions", "remedy": "look"},
            {"section": "target", "name": "SDK", "verdict": "note", "what": "what of SDK", "remedy": null},
        ],
    });
    assert_eq!(json, expected);
}

#[test]
fn only_the_host_decides_the_exit_code() {
    assert_eq!(report().exit(), Exit::NotPermitted);
    let refusal = report().refusal().unwrap();
    assert_eq!(refusal.exit(), Exit::NotPermitted);
    assert_eq!(
        refusal.to_string(),
        "this host does not allow tracing\n  tracefs: what of tracefs\n    mount it"
    );
    let mut report = allowed();
    report
        .checks
        .push(check(Section::Target, "SDK", Verdict::Missing, None));
    assert_eq!(report.exit(), Exit::Done);
    assert!(report.refusal().is_none());
    assert!(
        report
            .to_text(Glyphs::Ascii)
            .ends_with("The target: no spans, for 1 of the above.\n")
    );
}

#[test]
fn glyphs_follow_the_locale() {
    fn check(variables: &[(&str, &str)], expected: Glyphs) {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(Glyphs::from_locale(lookup), expected, "{variables:?}");
    }
    check(&[], Glyphs::Ascii);
    check(&[("LANG", "C")], Glyphs::Ascii);
    check(&[("LANG", "en_US.UTF-8")], Glyphs::Unicode);
    check(&[("LANG", "C"), ("LC_CTYPE", "C.utf8")], Glyphs::Unicode);
    check(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], Glyphs::Ascii);
    check(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "")], Glyphs::Unicode);
}
