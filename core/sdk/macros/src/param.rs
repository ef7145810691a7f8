//! `#[derive(Param)]` for enums.

use proc_macro2::TokenStream;
use quote::quote;

pub fn derive(item: &syn::DeriveInput) -> syn::Result<TokenStream> {
    let syn::Data::Enum(data) = &item.data else {
        return Err(syn::Error::new_spanned(&item.ident, "Param is derived for enums of unit variants"));
    };
    let (mut names, mut idents) = (Vec::new(), Vec::new());
    for variant in &data.variants {
        if !matches!(variant.fields, syn::Fields::Unit) {
            return Err(syn::Error::new_spanned(variant, "a parameter's choice carries no fields"));
        }
        let mut name = kebab(&variant.ident.to_string());
        for attr in variant.attrs.iter().filter(|a| a.path().is_ident("param")) {
            attr.parse_nested_meta(|meta| {
                if !meta.path.is_ident("name") {
                    return Err(meta.error("expected `name = \"...\"`"));
                }
                name = meta.value()?.parse::<syn::LitStr>()?.value();
                Ok(())
            })?;
        }
        names.push(name);
        idents.push(&variant.ident);
    }
    let list = serde_json::Value::from(names.clone()).to_string();
    let (open, nullable) = (
        format!("\"type\":\"string\",\"enum\":{list}"),
        format!("\"type\":[\"string\",\"null\"],\"enum\":{list}"),
    );
    let choices = names.join(", ");
    let ident = &item.ident;
    Ok(quote! {
        impl ::ichor_sdk::Param for #ident {
            const OPEN: &'static str = #open;
            const OPEN_NULLABLE: &'static str = #nullable;
            fn from_json(value: &::ichor_sdk::json::Value) -> ::core::result::Result<Self, ::std::string::String> {
                match value.as_str() {
                    #(::core::option::Option::Some(#names) => ::core::result::Result::Ok(Self::#idents),)*
                    _ => ::core::result::Result::Err(::std::format!("expected one of {}, got {value}", #choices)),
                }
            }
        }
    })
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.extend(c.to_lowercase());
    }
    out
}
