//! `#[derive(Stage)]` and `#[derive(Param)]`: a stage's declaration becomes its manifest.
//!
//! The manifest must be readable without running the plugin, so these macros build its JSON while the
//! plugin compiles (run-time schema generators cannot). Use them through `ichor_sdk::prelude`.

#![forbid(unsafe_code)]

mod param;
mod stage;

use proc_macro::TokenStream;

/// Declares a stage: its id, ports and parameters. See `ichor_sdk` for the attributes.
#[proc_macro_derive(Stage, attributes(stage, input, output, param))]
pub fn derive_stage(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    stage::derive(&item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an enum of unit variants usable as the type of a parameter.
#[proc_macro_derive(Param, attributes(param))]
pub fn derive_param(item: TokenStream) -> TokenStream {
    let item = syn::parse_macro_input!(item as syn::DeriveInput);
    param::derive(&item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// The text of an item's doc comment: one line an attribute, a leading space removed.
fn doc_of(attrs: &[syn::Attribute]) -> String {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|a| a.path().is_ident("doc")) {
        if let syn::Meta::NameValue(pair) = &attr.meta
            && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value
        {
            let line = text.value();
            lines.push(line.strip_prefix(' ').unwrap_or(&line).to_string());
        }
    }
    lines.join("\n").trim().to_string()
}

/// Splits a doc comment into its first paragraph, on one line, and the rest.
fn summary_and_rest(doc: &str) -> (String, String) {
    let (first, rest) = doc.split_once("\n\n").unwrap_or((doc, ""));
    (first.replace('\n', " "), rest.trim().to_string())
}

/// A literal, a negative number or an array of such, as JSON.
fn json_of(expr: &syn::Expr) -> syn::Result<serde_json::Value> {
    use serde_json::Value;
    let refuse = || syn::Error::new_spanned(expr, "expected a literal or an array of literals");
    match expr {
        syn::Expr::Lit(lit) => Ok(match &lit.lit {
            syn::Lit::Str(s) => Value::from(s.value()),
            syn::Lit::Bool(b) => Value::from(b.value),
            syn::Lit::Int(i) => Value::from(i.base10_parse::<i64>()?),
            syn::Lit::Float(f) => Value::from(f.base10_parse::<f64>()?),
            _ => return Err(refuse()),
        }),
        syn::Expr::Unary(syn::ExprUnary { op: syn::UnOp::Neg(_), expr: inner, .. }) => {
            match json_of(inner)? {
                Value::Number(n) if n.is_i64() => Ok(Value::from(-n.as_i64().unwrap_or_default())),
                Value::Number(n) => Ok(Value::from(-n.as_f64().unwrap_or_default())),
                _ => Err(refuse()),
            }
        }
        syn::Expr::Array(a) => Ok(Value::Array(a.elems.iter().map(json_of).collect::<syn::Result<_>>()?)),
        _ => Err(refuse()),
    }
}
