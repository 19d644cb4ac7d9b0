//! Which sources this object is built from: `cargo xtask ebpf --check` compares.

/// SHA-256 in hexadecimal, set by `cargo xtask ebpf`; a build by hand says that it is one.
#[unsafe(link_section = ".hotspan.sources")]
#[unsafe(no_mangle)]
#[used]
static HOTSPAN_SOURCES: [u8; 64] = hash();

const fn hash() -> [u8; 64] {
    let text = match option_env!("HOTSPAN_SOURCE_HASH") {
        Some(text) => text.as_bytes(),
        None => b"built by hand, not by cargo xtask ebpf: of no committed source..",
    };
    assert!(text.len() == 64);
    let mut hash = [0; 64];
    let mut index = 0;
    while index < 64 {
        hash[index] = text[index];
        index += 1;
    }
    hash
}
