//! Parsing and choosing, without processes.

use std::{collections::BTreeSet, ops::Range, path::Path};

use crate::target::{
    Bitness, ElfIdentity,
    describe::script,
    find::{Match, quality},
    maps, status_field,
};

#[test]
fn maps_lines() {
    type Line = (Range<u64>, u64, (i32, i32), u64, &'static [u8]);
    fn check(text: &[u8], expected: &[Line]) {
        use std::os::unix::ffi::OsStrExt;
        let mappings = maps::executable(text, Path::new("/proc/7")).unwrap();
        let found: Vec<Line> = expected.to_vec();
        assert_eq!(mappings.len(), found.len());
        for (mapping, (addresses, offset, device, inode, path)) in mappings.iter().zip(found) {
            assert_eq!(mapping.addresses, addresses);
            assert_eq!(mapping.file_offset, offset);
            assert_eq!(mapping.object.device, device);
            assert_eq!(mapping.object.inode, inode);
            assert_eq!(mapping.path.as_os_str().as_bytes(), path);
        }
    }
    check(b"", &[]);
    check(
        b"00400000-00452000 r-xp 00001000 fe:1f 173521      /usr/bin/dbus-daemon\n",
        &[(
            0x40_0000..0x45_2000,
            0x1000,
            (0xfe, 0x1f),
            173_521,
            b"/usr/bin/dbus-daemon",
        )],
    );
    // Not executable, and without a file.
    check(
        b"00400000-00452000 r--p 00000000 08:02 173521      /usr/bin/dbus-daemon\n\
          7fff0000-7fff2000 r-xp 00000000 00:00 0           [vdso]\n\
          7ff00000-7ff02000 rwxp 00000000 00:00 0 \n",
        &[],
    );
    // Names that a target can choose.
    check(
        b"1000-2000 r-xp 00000000 00:01 5 /SYSV\n\
          2000-3000 r-xp 00000000 00:01 6 /a b \xff (deleted)\n\
          3000-4000 rwxs 00000000 00:01 7 /memfd:jit (deleted)\n",
        &[
            (0x1000..0x2000, 0, (0, 1), 5, b"/SYSV"),
            (0x2000..0x3000, 0, (0, 1), 6, b"/a b \xff (deleted)"),
            (0x3000..0x4000, 0, (0, 1), 7, b"/memfd:jit (deleted)"),
        ],
    );
    let first = &maps::executable(b"00400000-00452000 r-xp 0 8:2 1 /x\n", Path::new("/proc/7"));
    let first = &first.as_ref().unwrap()[0];
    assert_eq!(first.map_file, Path::new("/proc/7/map_files/400000-452000"));
    for line in [
        "1000 r-xp 0 0:1 5 /x",
        "1000-2000 r-xp 0 01 5 /x",
        "1000-2000 r-xp 0 0:1 x /x",
    ] {
        let error = maps::executable(line.as_bytes(), Path::new("/proc/7")).unwrap_err();
        assert_eq!(error, format!("unexpected line `{line}`"));
    }
}

#[test]
fn elf_headers() {
    fn check(class: u8, data: u8, machine: [u8; 2], expected: Option<(Bitness, u16)>) {
        let mut start = [0; ElfIdentity::LEN];
        start[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data]);
        start[18..].copy_from_slice(&machine);
        let found = ElfIdentity::parse(&start).map(|elf| (elf.bitness, elf.machine));
        assert_eq!(found, expected);
    }
    check(2, 1, [62, 0], Some((Bitness::Bits64, 62)));
    check(1, 1, [3, 0], Some((Bitness::Bits32, 3)));
    check(1, 1, [62, 0], Some((Bitness::Bits32, 62)));
    check(2, 2, [0, 22], Some((Bitness::Bits64, 22)));
    check(0, 1, [62, 0], None);
    assert_eq!(ElfIdentity::parse(b"#!/bin/sh -e\n#######"), None);
}

#[test]
fn status_fields() {
    let status = b"Name:\t\xffNSpid:\t9\nTgid:\t12\nNSpid:\t12\t1\nSeccomp:\t2\n";
    let cases = [
        ("Tgid", Some("12")),
        ("NSpid", Some("12\t1")),
        ("Seccomp", Some("2")),
        ("Ngid", None),
    ];
    for (field, expected) in cases {
        assert_eq!(status_field(status, field).as_deref(), expected, "{field}");
    }
}

#[test]
fn python_scripts_and_modules() {
    fn check(command_line: &str, expected: Option<&str>) {
        let words: Vec<String> = command_line.split(' ').map(str::to_owned).collect();
        assert_eq!(script(&words).as_deref(), expected, "{command_line}");
    }
    check(
        "/venv/bin/python3.11 /venv/bin/uvicorn app:app --port 80",
        Some("uvicorn"),
    );
    check("python -m uvicorn app:app", Some("uvicorn"));
    check(
        "python -X dev -u -W ignore service.py --token secret",
        Some("service.py"),
    );
    check("python -c import\u{a0}os", None);
    check("python", None);
    check("/usr/bin/node server.js", None);
    check("gunicorn: master [app]", None);
}

#[test]
fn names_match_programs_before_command_lines() {
    fn check(name: &str, command_line: &str, expected: Option<Match>) {
        let words: Vec<String> = command_line.split(' ').map(str::to_owned).collect();
        let exe = words[0].rsplit('/').next().unwrap();
        assert_eq!(
            quality(name, exe, exe, &words),
            expected,
            "{name} in {command_line}"
        );
    }
    check(
        "uvicorn",
        "/venv/bin/python /venv/bin/uvicorn app:app",
        Some(Match::Program),
    );
    check(
        "python",
        "/venv/bin/python /venv/bin/uvicorn app:app",
        Some(Match::Program),
    );
    check(
        "app:app",
        "/venv/bin/python /venv/bin/uvicorn app:app",
        Some(Match::CommandLine),
    );
    check(
        "uvicorn",
        "sudo -u www uvicorn app:app",
        Some(Match::CommandLine),
    );
    check("gunicorn", "sudo -u www uvicorn app:app", None);
}

#[test]
fn family_circles_end() {
    let stat = |pid: i32, ppid: i32| {
        let line = format!("{pid} (x) S {ppid}{}", " 0".repeat(48));
        <procfs::process::Stat as procfs::FromRead>::from_read(line.as_bytes()).unwrap()
    };
    let family =
        crate::target::Family::of(&[stat(1, 0), stat(5, 1), stat(6, 5), stat(7, 8), stat(8, 7)]);
    assert_eq!(family.ancestors(6), [5, 1]);
    assert_eq!(family.ancestors(7), [8]);
    assert_eq!(family.tree(1), [1, 5, 6]);
    assert_eq!(family.tree(7), [7, 8]);
    assert_eq!(family.common_root(&BTreeSet::from([5, 6])), Some(5));
    assert_eq!(family.common_root(&BTreeSet::from([6, 7])), None);
    assert_eq!(family.common_root(&BTreeSet::new()), None);
}
