//! What a command maps before its first instruction: known from its files, without running it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use object::{
    Endianness, ReadCache,
    elf::FileHeader64,
    read::elf::{FileHeader as _, ProgramHeader as _},
};

/// Where programs are looked for without `PATH`, as `execvp` does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// Interpreters of interpreters that the kernel follows (`BINPRM_MAX_RECURSION`).
const MAX_SCRIPTS: usize = 5;
/// Bytes of a script that the kernel reads for its first line (`BINPRM_BUF_SIZE`).
const FIRST_LINE: u64 = 256;

/// The executable of `command`, if it is a script those of its interpreters, and the libraries that
/// the dynamic loader gives them. What cannot be found out is left out: it is armed when it is mapped.
pub fn files(command: &[OsString]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut next = command.first().and_then(|program| find(program));
    for _ in 0..MAX_SCRIPTS {
        let Some(program) = next.take() else {
            break;
        };
        match first_line(&program) {
            Some(line) => {
                let (interpreter, launched) = interpreters(&line);
                files.extend(interpreter.iter().flat_map(|path| with_libraries(path)));
                next = launched;
            }
            None => files.extend(with_libraries(&program)),
        }
    }
    files
}

/// As `execvp` finds it.
fn find(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(program.into());
    }
    let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The words after `#!`, if it is a script.
fn first_line(program: &Path) -> Option<Vec<OsString>> {
    let mut start = Vec::new();
    File::open(program)
        .ok()?
        .take(FIRST_LINE)
        .read_to_end(&mut start)
        .ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let words = line.split(u8::is_ascii_whitespace);
    let words = words.filter(|word| !word.is_empty());
    Some(
        words
            .map(|word| OsStr::from_bytes(word).to_owned())
            .collect(),
    )
}

/// The interpreter, and what it executes in turn if it is `env`.
fn interpreters(line: &[OsString]) -> (Option<PathBuf>, Option<PathBuf>) {
    let interpreter = line.first().map(PathBuf::from);
    let is_env = interpreter
        .as_deref()
        .and_then(Path::file_name)
        .is_some_and(|name| name == "env");
    let is_program =
        |word: &&OsString| !word.as_bytes().starts_with(b"-") && !word.as_bytes().contains(&b'=');
    let launched = line[1.min(line.len())..]
        .iter()
        .find(is_program)
        .filter(|_| is_env);
    (interpreter, launched.and_then(|program| find(program)))
}

fn with_libraries(program: &Path) -> Vec<PathBuf> {
    let mut files = vec![program.to_owned()];
    files.extend(
        loader(program)
            .into_iter()
            .flat_map(|loader| libraries(&loader, program)),
    );
    files
}

/// The dynamic loader that the program asks for; `None` if it is static, or no ELF file.
fn loader(program: &Path) -> Option<PathBuf> {
    let file = ReadCache::new(File::open(program).ok()?);
    let header = FileHeader64::<Endianness>::parse(&file).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, &file).ok()?;
    let name = segments
        .iter()
        .find_map(|segment| segment.interpreter(endian, &file).ok()?)?;
    let loader = PathBuf::from(OsStr::from_bytes(name));
    // glibc's and musl's; what others would make of `--list` is not known.
    let is_known = loader
        .file_name()
        .is_some_and(|name| name.as_bytes().starts_with(b"ld-"));
    is_known.then_some(loader)
}

/// Asks the loader itself, which knows every rule; the environment is that which the program gets.
fn libraries(loader: &Path, program: &Path) -> Vec<PathBuf> {
    let listed = Command::new(loader)
        .arg("--list")
        .arg(program)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let Ok(listed) = listed else {
        return Vec::new();
    };
    listed
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(library)
        .collect()
}

/// `NAME => PATH (0xADDRESS)`, or the loader's own `PATH (0xADDRESS)`, indented.
fn library(line: &[u8]) -> Option<PathBuf> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let path = line.split_once(" => ").map_or(line, |(_, path)| path);
    let (path, _) = path.rsplit_once(" (0x")?;
    path.starts_with('/').then(|| path.into())
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, path::Path};

    use super::{files, interpreters, library};

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_program_comes_with_its_libraries() {
        let files = files(&words("sh -c true"));
        assert!(files[0].ends_with("sh"), "{files:?}");
        let has_libc = files.iter().any(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libc.")
        });
        assert!(has_libc, "{files:?}");
    }

    #[test]
    fn lines_of_the_loader() {
        let path = |line: &str| library(line.as_bytes());
        assert_eq!(
            path("\tlibm.so.6 => /lib/libm.so.6 (0x00007f)"),
            Some("/lib/libm.so.6".into())
        );
        assert_eq!(
            path("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)"),
            Some("/lib64/ld-linux-x86-64.so.2".into())
        );
        assert_eq!(path("\tlinux-vdso.so.1 (0x00007f)"), None);
        assert_eq!(path("\tlibnone.so => not found"), None);
    }

    #[test]
    fn env_launches_the_next_program() {
        let (interpreter, launched) = interpreters(&words("/usr/bin/env -S A=1 sh -e"));
        assert_eq!(interpreter.as_deref(), Some(Path::new("/usr/bin/env")));
        assert!(launched.is_some_and(|program| program.ends_with("sh")));
        let (_, launched) = interpreters(&words("/bin/sh -e"));
        assert_eq!(launched, None);
    }

    #[test]
    fn what_is_not_there_has_no_files() {
        assert_eq!(
            files(&words("no-program-has-this-name")),
            Vec::<std::path::PathBuf>::new()
        );
    }
}
