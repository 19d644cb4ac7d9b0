//! The catalogue that is built into the binary.

use super::Source;

macro_rules! shipped {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../catalogue/", $file)))),+]
    };
}

const FILES: &[(&str, &str)] = shipped![
    "blas.toml",
    "cuda.toml",
    "highs.toml",
    "llama.toml",
    "onnx.toml",
    "ortools.toml",
    "python.toml",
    "tokenizers.toml",
    "torch.toml"
];

/// The shipped files.
pub(super) fn sources() -> Vec<Source> {
    FILES
        .iter()
        .map(|(name, text)| Source {
            name: format!("catalogue/{name}"),
            text: (*text).to_owned(),
            is_shipped: true,
        })
        .collect()
}
