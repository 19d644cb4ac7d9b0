"""Writes a llama model with random weights: `python random_model.py SIZE FILE`.

Its vocabulary is the 256 bytes, so a text of n bytes is n tokens and the one that begins it. The
weights come from a fixed seed: every machine writes the same model.
"""

import sys
from dataclasses import dataclass

import gguf
import numpy

SPECIAL = ["<unk>", "<s>", "</s>"]
CONTEXT = 2048


@dataclass(frozen=True)
class Size:
    """The shape of a model. A head has 64 dimensions."""

    embedding: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    weights: type
    file_type: gguf.LlamaFileType


SIZES = {
    # A token takes less than a millisecond of one core.
    "tiny": Size(256, 4, 4, 2, 768, numpy.float32, gguf.LlamaFileType.ALL_F32),
    # 158 million weights: about what the smallest models that people use have.
    "small": Size(1024, 14, 16, 4, 2816, numpy.float16, gguf.LlamaFileType.MOSTLY_F16),
}


def write(size: Size, path: str) -> None:
    """Writes the model."""
    rng = numpy.random.default_rng(7)
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, size)
    _vocabulary(writer)

    def tensor(name: str, *shape: int) -> None:
        values = rng.standard_normal(shape, dtype=numpy.float32) * numpy.float32(0.05)
        writer.add_tensor(name, values.astype(size.weights))

    def norm(name: str) -> None:
        writer.add_tensor(name, numpy.ones(size.embedding, dtype=numpy.float32))

    vocabulary = len(SPECIAL) + 256
    of_keys = size.embedding * size.kv_heads // size.heads
    tensor("token_embd.weight", vocabulary, size.embedding)
    tensor("output.weight", vocabulary, size.embedding)
    norm("output_norm.weight")
    for layer in range(size.layers):
        norm(f"blk.{layer}.attn_norm.weight")
        norm(f"blk.{layer}.ffn_norm.weight")
        for part, rows in ("q", size.embedding), ("k", of_keys), ("v", of_keys), ("output", size.embedding):
            tensor(f"blk.{layer}.attn_{part}.weight", rows, size.embedding)
        tensor(f"blk.{layer}.ffn_gate.weight", size.feed_forward, size.embedding)
        tensor(f"blk.{layer}.ffn_up.weight", size.feed_forward, size.embedding)
        tensor(f"blk.{layer}.ffn_down.weight", size.embedding, size.feed_forward)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, size: Size) -> None:
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(size.embedding)
    writer.add_block_count(size.layers)
    writer.add_feed_forward_length(size.feed_forward)
    writer.add_head_count(size.heads)
    writer.add_head_count_kv(size.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(size.embedding // size.heads)
    writer.add_file_type(size.file_type)


def _vocabulary(writer: gguf.GGUFWriter) -> None:
    kinds = gguf.TokenType
    tokens = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL] + [kinds.BYTE] * 256)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(False)


if __name__ == "__main__":
    write(SIZES[sys.argv[1]], sys.argv[2])
