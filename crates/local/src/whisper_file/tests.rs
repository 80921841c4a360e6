#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

const WIDTH: usize = 32;

/// A file with one encoder and one decoder layer; each tensor counts up from its position in the list.
fn checkpoint() -> Vec<u8> {
    let mut variables: Vec<(String, Vec<usize>)> = Vec::new();
    let mut add = |name: &str, dims: &[usize]| variables.push((name.to_owned(), dims.to_vec()));
    add("encoder/num_heads", &[]);
    add("encoder/position_encodings/encodings", &[4, WIDTH]);
    add("encoder/conv1/weight", &[WIDTH, 80, 3]);
    add("encoder/conv1/bias", &[WIDTH]);
    add("encoder/conv2/weight", &[WIDTH, WIDTH, 3]);
    add("encoder/conv2/bias", &[WIDTH]);
    add("decoder/position_encodings/encodings", &[8, WIDTH]);
    add("decoder/embeddings/weight", &[3, WIDTH]);
    for side in ["encoder", "decoder"] {
        let mut norms = vec![format!("{side}/layer_norm")];
        let mut linears = vec![];
        let layer = format!("{side}/layer_0");
        norms.extend(["self_attention/layer_norm", "ffn/layer_norm"].map(|name| format!("{layer}/{name}")));
        linears.extend([
            (format!("{layer}/ffn/linear_0"), 4 * WIDTH, WIDTH),
            (format!("{layer}/ffn/linear_1"), WIDTH, 4 * WIDTH),
            (format!("{layer}/self_attention/linear_0"), 3 * WIDTH, WIDTH),
            (format!("{layer}/self_attention/linear_1"), WIDTH, WIDTH),
        ]);
        if side == "decoder" {
            norms.push(format!("{layer}/attention/layer_norm"));
            linears.extend([
                (format!("{layer}/attention/linear_0"), WIDTH, WIDTH),
                (format!("{layer}/attention/linear_1"), 2 * WIDTH, WIDTH),
                (format!("{layer}/attention/linear_2"), WIDTH, WIDTH),
            ]);
        }
        for norm in norms {
            add(&format!("{norm}/gamma"), &[WIDTH]);
            add(&format!("{norm}/beta"), &[WIDTH]);
        }
        for (linear, rows, columns) in linears {
            add(&format!("{linear}/weight"), &[rows, columns]);
            add(&format!("{linear}/bias"), &[rows]);
        }
    }
    encode(&variables)
}

fn encode(variables: &[(String, Vec<usize>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u16 + 1).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.push(0);
    };
    bytes.extend(6_u32.to_le_bytes());
    text(&mut bytes, "WhisperSpec");
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend((variables.len() as u32).to_le_bytes());
    for (name, dims) in variables {
        text(&mut bytes, name);
        bytes.push(dims.len() as u8);
        for dim in dims {
            bytes.extend((*dim as u32).to_le_bytes());
        }
        bytes.push(0);
        let count: usize = dims.iter().product();
        bytes.extend((count as u32 * 4).to_le_bytes());
        let value = |index: usize| if name == "encoder/num_heads" { 2.0 } else { index as f32 };
        (0..count).for_each(|index| bytes.extend(value(index).to_le_bytes()));
    }
    bytes
}

const TOKENIZER: &[u8] = br#"{"model":{"vocab":{"a":0,"b":1,"c":2}}}"#;

fn tensor<'a>(tensors: &'a [layers::Tensor], name: &str) -> &'a layers::Tensor {
    tensors
        .iter()
        .find(|tensor| tensor.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn fused_projections_come_apart_in_order() {
    let bytes = checkpoint();
    let checkpoint = ctranslate2::Checkpoint::parse(&bytes).unwrap();
    let shape = layers::Shape::of(&checkpoint).unwrap();
    let tensors = layers::tensors(&checkpoint, &shape).unwrap();
    let block = WIDTH * WIDTH;
    for (name, first) in [
        ("encoder.blocks.0.attn.query.weight", 0),
        ("encoder.blocks.0.attn.key.weight", block),
        ("encoder.blocks.0.attn.value.weight", 2 * block),
        ("decoder.blocks.0.cross_attn.key.weight", 0),
        ("decoder.blocks.0.cross_attn.value.weight", block),
        ("decoder.blocks.0.cross_attn.value.bias", WIDTH),
    ] {
        let tensor = tensor(&tensors, name);
        assert_eq!(tensor.dims[0], WIDTH, "{name}");
        assert_eq!(tensor.values[0] as usize, first, "{name}");
    }
    assert!(!tensors.iter().any(|tensor| tensor.name.ends_with("key.bias")));
    assert_eq!(tensor(&tensors, "encoder.conv1.bias").dims, [WIDTH, 1]);
}

#[test]
fn the_header_states_the_shape() {
    let mut out = Vec::new();
    convert(&checkpoint(), TOKENIZER).unwrap().write(&mut out).unwrap();
    let numbers: Vec<i32> = out
        .as_chunks::<4>()
        .0
        .iter()
        .take(14)
        .map(|bytes| i32::from_le_bytes(*bytes))
        .collect();
    assert_eq!(numbers[1..], [3, 1500, 32, 2, 1, 8, 32, 2, 1, 80, 2007, 80, 201]);
    assert_eq!(&out[..4], b"lmgg");
}

#[test]
fn cut_off_or_foreign_files_are_refused() {
    let whole = checkpoint();
    for length in [0, 3, 20, 200, whole.len() - 1] {
        assert!(
            convert(&whole[..length], TOKENIZER).is_err(),
            "{length} bytes were taken"
        );
    }
    let mut other = whole;
    other[0] = 5;
    assert!(matches!(convert(&other, TOKENIZER), Err(ConvertError::Format(_))));
}

#[test]
fn a_missing_tensor_is_named() {
    let bytes = encode(&[("decoder/embeddings/weight".to_owned(), vec![3, 32])]);
    let error = convert(&bytes, TOKENIZER).err().unwrap();
    assert_eq!(error.to_string(), "there is no encoder/num_heads");
}
