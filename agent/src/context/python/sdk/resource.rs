//! The SDK's resource.

use hotspan_synth::span::Value;

use super::{Heap, HeapError, PyValue, SdkError};

/// Attributes of the resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// Those that are text, numbers, truth values or lists of texts, in the SDK's order.
    pub attributes: Vec<(String, Value)>,
    /// Keys of those that are something else (bytes, mappings, lists of numbers), or larger than the
    /// reader's bounds.
    pub left_out: Vec<String>,
}

/// `Resource._attributes` is a `BoundedAttributes`, which keeps a dict in `_dict`.
pub(super) fn read(heap: &Heap<'_>, resource: u64) -> Result<Resource, SdkError> {
    let bounded = heap.attribute(resource, "_attributes")?;
    let bounded = bounded.ok_or(SdkError::Absent("_resource._attributes"))?;
    let dict = if heap.type_of(bounded)?.is_dict() {
        bounded
    } else {
        let dict = heap.attribute(bounded, "_dict")?;
        dict.ok_or(SdkError::Absent("_resource._attributes._dict"))?
    };
    let mut resource = Resource::default();
    for entry in heap.dict_entries(dict)? {
        let key = heap.text(entry.key)?;
        let value = match heap.value(entry.value) {
            Ok(value) => as_attribute(value),
            // A command line of many kilobytes, say: the other attributes are worth having.
            Err(HeapError::TooLarge { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        match value {
            Some(value) => resource.attributes.push((key, value)),
            None => resource.left_out.push(key),
        }
    }
    Ok(resource)
}

fn as_attribute(value: PyValue) -> Option<Value> {
    match value {
        PyValue::Bool(value) => Some(value.into()),
        PyValue::Int(value) => Some(value.into()),
        PyValue::Float(value) => value.is_finite().then(|| value.into()),
        PyValue::Text(value) => Some(value.into()),
        PyValue::Items(items) => {
            let texts = items.into_iter().map(|item| match item {
                PyValue::Text(text) => Some(text),
                _ => None,
            });
            texts.collect::<Option<_>>().map(Value::Texts)
        }
        PyValue::None | PyValue::Other { .. } => None,
    }
}
