//! `#[derive(Stage)]`: ports and parameters as constants, a manifest and a constructor.

use crate::{doc_of, json_of, summary_and_rest};
use proc_macro2::TokenStream;
use quote::quote;
use serde_json::{Map, Value};
use syn::ext::IdentExt;

pub fn derive(item: &syn::DeriveInput) -> syn::Result<TokenStream> {
    let ident = &item.ident;
    let syn::Data::Struct(syn::DataStruct { fields, .. }) = &item.data else {
        return Err(syn::Error::new_spanned(ident, "a stage is a struct whose fields are its parameters"));
    };
    let Named { id, version, bytes_per_voxel } = named(item)?;
    let (summary, doc) = summary_and_rest(&doc_of(&item.attrs));
    if summary.is_empty() {
        return Err(syn::Error::new_spanned(ident, "a stage needs a doc comment: it is shown to its users"));
    }
    let (mut inputs, mut outputs) = (Vec::<Value>::new(), Vec::<Value>::new());
    for attr in &item.attrs {
        let is_input = attr.path().is_ident("input");
        if is_input || attr.path().is_ident("output") {
            let port = Value::Object(port(attr, is_input)?);
            let list = if is_input { &mut inputs } else { &mut outputs };
            if list.iter().any(|other| other["name"] == port["name"]) {
                return Err(syn::Error::new_spanned(attr, "there is a port of this name already"));
            }
            list.push(port);
        }
    }
    let constants = constants(&inputs, &outputs);
    if outputs.is_empty() {
        return Err(syn::Error::new_spanned(ident, "a stage needs at least one #[output(...)]"));
    }

    // The schema is joined at compile time: each field's type contributes its own constant.
    let mut properties = TokenStream::new();
    let mut required = Vec::new();
    let mut takes = TokenStream::new();
    for (n, field) in fields.iter().enumerate() {
        let Some(name) = &field.ident else {
            return Err(syn::Error::new_spanned(field, "parameters need names"));
        };
        let (key, ty) = (name.unraw().to_string(), &field.ty);
        let p = ParamAttr::parse(field)?;
        let optional =
            matches!(ty, syn::Type::Path(t) if t.path.segments.last().is_some_and(|s| s.ident == "Option"));
        if p.default.is_none() && !optional {
            required.push(key.clone());
        }
        let head = format!("{}{}:{{", if n == 0 { "" } else { "," }, Value::from(key.as_str()));
        let (limits, tail) = (p.limits(), p.tail(&doc_of(&field.attrs)));
        // A key stands once: the type's own lower limit only where the attribute gives none.
        let floor = if p.min.is_some() { quote!("") } else { quote!(<#ty as ::ichor_sdk::Param>::FLOOR) };
        properties.extend(quote! {
            #head, <#ty as ::ichor_sdk::Param>::OPEN, #floor, #limits, <#ty as ::ichor_sdk::Param>::CLOSE, #tail,
        });
        takes.extend(quote! { #name: params.take(#key)?, });
    }
    let constructor = if fields.is_empty() && matches!(fields, syn::Fields::Unit) {
        quote!(Self)
    } else {
        quote!(Self { #takes })
    };
    let before = format!(
        "{{\"id\":{},\"version\":{},\"summary\":{},\"doc\":{},\"inputs\":{},\"outputs\":{},\"params\":\
         {{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{{",
        Value::from(id.as_str()),
        Value::from(version),
        Value::from(summary),
        Value::from(doc),
        Value::from(inputs),
        Value::from(outputs)
    );
    let memory = bytes_per_voxel.map(|b| format!(",\"bytes_per_voxel\":{b}")).unwrap_or_default();
    let after = format!("}},\"required\":{}}}{memory}}}", Value::from(required));
    Ok(quote! {
        impl #ident { #constants }
        impl ::ichor_sdk::Declared for #ident {
            const ID: &'static str = #id;
            const MANIFEST: &'static str = ::ichor_sdk::join!(#before, #properties #after);
            fn from_params(params: &::ichor_sdk::Params<'_>) -> ::ichor_sdk::Result<Self> {
                ::core::result::Result::Ok(#constructor)
            }
        }
    })
}

/// One constant a name: an input and an output may share theirs.
fn constants(inputs: &[Value], outputs: &[Value]) -> TokenStream {
    let names = |ports: &[Value]| -> Vec<String> {
        ports.iter().map(|p| p["name"].as_str().unwrap_or_default().to_string()).collect()
    };
    let kinds_of = |name: &str| -> Vec<&str> {
        let port = inputs.iter().find(|p| p["name"] == name);
        let kinds = port.and_then(|p| p["kind"].as_array());
        kinds.into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let kinds: std::collections::BTreeMap<String, Vec<&str>> =
        names(inputs).into_iter().map(|name| (name.clone(), kinds_of(&name))).collect();
    let (inputs, outputs) = (names(inputs), names(outputs));
    let mut out = TokenStream::new();
    let only_outputs = outputs.iter().filter(|name| !inputs.contains(name));
    for name in inputs.iter().chain(only_outputs) {
        let kinds = kinds.get(name).map_or(&[][..], Vec::as_slice);
        let number = |list: &[String]| list.iter().position(|other| other == name).map(|n| n as u32);
        let (what, ty, value) = match (number(&inputs), number(&outputs)) {
            (Some(i), Some(o)) => {
                ("input and the output", quote!(InOut), quote!(#i, #o, #name, &[#(#kinds),*]))
            }
            (Some(i), None) => ("input", quote!(In), quote!(#i, #name, &[#(#kinds),*])),
            (None, o) => ("output", quote!(Out), quote!(#o, #name)),
        };
        let constant = syn::Ident::new(&name.to_uppercase(), proc_macro2::Span::call_site());
        let text = format!("The {what} `{name}`.");
        out.extend(quote! {
            #[doc = #text]
            pub const #constant: ::ichor_sdk::#ty = ::ichor_sdk::#ty::new(#value);
        });
    }
    out
}

struct Named {
    id: String,
    version: String,
    bytes_per_voxel: Option<Value>,
}

fn named(item: &syn::DeriveInput) -> syn::Result<Named> {
    let (mut id, mut version, mut bytes_per_voxel) = (None, None, None);
    for attr in item.attrs.iter().filter(|a| a.path().is_ident("stage")) {
        attr.parse_nested_meta(|meta| {
            let value = json_of(&meta.value()?.parse()?)?;
            match () {
                () if meta.path.is_ident("id") => id = value.as_str().map(ToOwned::to_owned),
                () if meta.path.is_ident("version") => version = value.as_str().map(ToOwned::to_owned),
                () if meta.path.is_ident("bytes_per_voxel") && value.is_number() => {
                    bytes_per_voxel = Some(value)
                }
                () => return Err(meta.error("expected `id`, `version` or `bytes_per_voxel`")),
            }
            Ok(())
        })?;
    }
    let (Some(id), Some(version)) = (id, version) else {
        let text = "expected #[stage(id = \"my-stage\", version = \"1.0.0\")]";
        return Err(syn::Error::new_spanned(&item.ident, text));
    };
    Ok(Named { id, version, bytes_per_voxel })
}

const KINDS: [&str; 8] = ["volume", "mask", "labels", "probs", "tensor", "table", "doc", "blob"];
const UNITS: [&str; 5] = ["none", "HU", "probability", "label", "mm"];

/// Types that voxels can have here.
const DTYPES: [&str; 5] = ["u8", "i16", "u16", "u32", "f32"];

/// Three ranges of mm, of numbers and pairs.
fn spacing(value: &Value) -> Option<Value> {
    let range = |axis: &Value| {
        let [least, greatest] = match axis {
            Value::Array(pair) => {
                [pair.first()?.as_f64()?, pair.get(1).filter(|_| pair.len() == 2)?.as_f64()?]
            }
            one => [one.as_f64()?; 2],
        };
        (0.0 < least && least <= greatest).then(|| Value::from(vec![least, greatest]))
    };
    let axes = value.as_array().filter(|axes| axes.len() == 3)?;
    axes.iter().map(range).collect::<Option<Vec<_>>>().map(Value::from)
}

fn port(attr: &syn::Attribute, is_input: bool) -> syn::Result<Map<String, Value>> {
    let mut port = Map::new();
    attr.parse_nested_meta(|meta| {
        let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        let first = port.is_empty();
        if first {
            port.insert("name".into(), key.into());
            return Ok(());
        }
        match key.as_str() {
            "optional" | "many" if is_input => {
                port.insert(key, true.into());
            }
            "kind" | "unit" => {
                let text = meta.value()?.parse::<syn::LitStr>()?.value();
                let known: &[&str] = if key == "kind" { &KINDS } else { &UNITS };
                let words: Vec<&str> = text.split('|').map(str::trim).collect();
                if let Some(word) = words.iter().find(|w| !known.contains(w)) {
                    return Err(meta.error(format!("`{word}` is no {key}; there are {}", known.join(", "))));
                }
                port.insert(key, words.into());
            }
            "dtype" => {
                let text = meta.value()?.parse::<syn::LitStr>()?.value();
                let words: Vec<&str> = text.split('|').map(str::trim).collect();
                if let Some(word) = words.iter().find(|w| !DTYPES.contains(w)) {
                    return Err(meta.error(format!("`{word}` is no dtype; there are {}", DTYPES.join(", "))));
                }
                port.insert(key, words.into());
            }
            "spacing" => {
                let value = meta.value()?.parse::<syn::Expr>()?;
                let spacing = spacing(&json_of(&value)?).ok_or_else(|| {
                    let text = "expected mm along i, j and k, each a number or [least, greatest]: \
                                spacing = [[0.3, 0.6], [0.3, 0.6], 5.0]";
                    syn::Error::new_spanned(&value, text)
                })?;
                port.insert(key, spacing);
            }
            "orientation" => {
                let text = meta.value()?.parse::<syn::LitStr>()?.value();
                let axis = |c| ["RL", "AP", "SI"].iter().position(|pair| pair.contains(c));
                let mut axes: Vec<Option<usize>> = text.chars().map(axis).collect();
                axes.sort_unstable();
                if axes != [Some(0), Some(1), Some(2)] {
                    return Err(
                        meta.error("an orientation has one of R and L, A and P, S and I each: \"RAS\"")
                    );
                }
                port.insert(key, text.into());
            }
            "regular" => {
                port.insert(key, true.into());
            }
            "grid" | "doc" => {
                port.insert(key, meta.value()?.parse::<syn::LitStr>()?.value().into());
            }
            "like" | "kind_param" | "unit_param" if !is_input => {
                port.insert(key, meta.value()?.parse::<syn::LitStr>()?.value().into());
            }
            _ => return Err(meta.error("unknown port attribute")),
        }
        Ok(())
    })?;
    if !port.contains_key("kind") {
        return Err(syn::Error::new_spanned(attr, "a port needs kind = \"...\", also beside `like`"));
    }
    Ok(port)
}

#[derive(Default)]
struct ParamAttr {
    default: Option<Value>,
    min: Option<Value>,
    max: Option<Value>,
    unit: Option<String>,
    input_file: bool,
}

impl ParamAttr {
    fn parse(field: &syn::Field) -> syn::Result<Self> {
        let mut out = Self::default();
        for attr in field.attrs.iter().filter(|a| a.path().is_ident("param")) {
            attr.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                match key.as_str() {
                    "default" => out.default = Some(json_of(&meta.value()?.parse()?)?),
                    "min" => out.min = Some(json_of(&meta.value()?.parse()?)?),
                    "max" => out.max = Some(json_of(&meta.value()?.parse()?)?),
                    "unit" => out.unit = Some(meta.value()?.parse::<syn::LitStr>()?.value()),
                    "input_file" => out.input_file = true,
                    _ => return Err(meta.error("expected default, min, max, unit or input_file")),
                }
                Ok(())
            })?;
        }
        Ok(out)
    }

    /// Belongs inside `items` for a list, hence apart from the tail.
    fn limits(&self) -> String {
        let mut out = String::new();
        for (key, value) in [("minimum", &self.min), ("maximum", &self.max)] {
            if let Some(value) = value {
                out.push_str(&format!(",\"{key}\":{value}"));
            }
        }
        out
    }

    fn tail(&self, doc: &str) -> String {
        let mut out = String::new();
        if let Some(value) = &self.default {
            out.push_str(&format!(",\"default\":{value}"));
        }
        if !doc.is_empty() {
            out.push_str(&format!(",\"description\":{}", Value::from(doc.replace('\n', " "))));
        }
        if let Some(unit) = &self.unit {
            out.push_str(&format!(",\"x-unit\":{}", Value::from(unit.as_str())));
        }
        if self.input_file {
            out.push_str(",\"x-file\":\"input\"");
        }
        out + "}"
    }
}
