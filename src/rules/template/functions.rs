//! Every function a template may name, in one table: its family, its parameters, and what runs.
//!
//! The parser looks names up here; documentation and lint print [`function_list`]. Signatures are those of Go 1.26
//! `text/template` and of sprig 3.3.0, because Go checks arguments against them.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::arguments::Arguments;
use super::builtins;
use super::heap::Heap;
use super::sprig::{
    case, convert, defaults, dicts, encoding, lists, math, reflection, regex, semver, strings,
};
use super::value::{Fault, Value, failed};

/// What a function is for; the families of sprig's documentation, and the language's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Part of Go's template language.
    Language,
    /// Strings.
    Strings,
    /// Strings to lists and back.
    StringLists,
    /// Lists.
    Lists,
    /// Dictionaries.
    Dicts,
    /// Integers and floats.
    Math,
    /// Defaults, choices and JSON.
    Defaults,
    /// Conversions between types.
    Conversion,
    /// Questions about types.
    Types,
    /// Regular expressions.
    Regex,
    /// Semantic versions.
    Semver,
    /// Encodings and checksums.
    Encoding,
    /// Known to sprig and refused here: what they give depends on time, chance, the machine or secrets, or costs
    /// too much.
    Refused,
}

/// The type a parameter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `interface{}` or `reflect.Value`
    Any,
    /// `string`
    Text,
    /// `int`
    Int,
    /// `float64`
    Float,
    /// `bool`
    Bool,
    /// `map[string]interface{}`
    Dict,
}

impl Parameter {
    /// The Go name of the type.
    pub fn type_name(self) -> &'static str {
        match self {
            Parameter::Any => "interface {}",
            Parameter::Text => "string",
            Parameter::Int => "int",
            Parameter::Float => "float64",
            Parameter::Bool => "bool",
            Parameter::Dict => "map[string]interface {}",
        }
    }
}

/// What a function runs.
pub type Run = fn(&Heap, Arguments<'_>) -> Result<Value, Fault>;

/// How a function is executed.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// With all its arguments evaluated.
    Plain(Run),
    /// `and`
    And,
    /// `or`
    Or,
    /// Not at all.
    Refused,
}

/// One function.
#[derive(Debug)]
pub struct Function {
    /// Its name in templates.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    fixed: &'static [Parameter],
    rest: Option<Parameter>,
    /// What runs.
    pub body: Body,
}

impl Function {
    /// The parameter an argument is for.
    pub fn parameter(&self, index: usize) -> Parameter {
        self.fixed.get(index).copied().or(self.rest).unwrap_or(Parameter::Any)
    }

    /// Whether it may be called with so many arguments.
    pub fn check_count(&self, count: usize) -> Result<(), Fault> {
        let least = self.fixed.len();
        let fits = match (self.body, self.rest) {
            (Body::Refused, _) => true,
            (_, Some(_)) => count >= least,
            (_, None) => count == least,
        };
        if fits {
            return Ok(());
        }
        let at_least = if self.rest.is_some() { "at least " } else { "" };
        failed(format!("{} takes {at_least}{least} arguments, not {count}", self.name))
    }
}

/// Every function a template may name, with its family; for documentation and lint.
pub fn function_list() -> impl Iterator<Item = (&'static str, Family)> {
    FUNCTIONS.iter().map(|function| (function.name, function.family))
}

/// Finds a function by name.
pub fn find(name: &str) -> Option<&'static Function> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Function>> =
        LazyLock::new(|| FUNCTIONS.iter().map(|function| (function.name, function)).collect());
    BY_NAME.get(name).copied()
}

impl Fault {
    /// Names the function in a failure.
    pub fn in_function(self, name: &str) -> Fault {
        match self {
            Fault::Failed(reason) => Fault::Failed(format!("{name}: {reason}")),
            other => other,
        }
    }
}

use Parameter::{Any, Bool, Dict, Float, Int, Text};

const fn plain(
    name: &'static str,
    family: Family,
    fixed: &'static [Parameter],
    run: Run,
) -> Function {
    Function { name, family, fixed, rest: None, body: Body::Plain(run) }
}

const fn variadic(
    name: &'static str,
    family: Family,
    fixed: &'static [Parameter],
    rest: Parameter,
    run: Run,
) -> Function {
    Function { name, family, fixed, rest: Some(rest), body: Body::Plain(run) }
}

const fn special(name: &'static str, body: Body) -> Function {
    Function { name, family: Family::Language, fixed: &[Any], rest: Some(Any), body }
}

const fn refused(name: &'static str) -> Function {
    Function { name, family: Family::Refused, fixed: &[], rest: Some(Any), body: Body::Refused }
}

/// Every function: the language's, those of sprig that are supported, and those that are refused.
pub static FUNCTIONS: &[Function] = &[
    special("and", Body::And),
    special("or", Body::Or),
    plain("not", Family::Language, &[Any], builtins::not),
    variadic("eq", Family::Language, &[Any], Any, builtins::eq),
    plain("ne", Family::Language, &[Any, Any], builtins::ne),
    plain("lt", Family::Language, &[Any, Any], builtins::lt),
    plain("le", Family::Language, &[Any, Any], builtins::le),
    plain("gt", Family::Language, &[Any, Any], builtins::gt),
    plain("ge", Family::Language, &[Any, Any], builtins::ge),
    variadic("index", Family::Language, &[Any], Any, builtins::index),
    plain("len", Family::Language, &[Any], builtins::len),
    variadic("call", Family::Language, &[Any], Any, builtins::call),
    variadic("print", Family::Language, &[], Any, builtins::print),
    variadic("println", Family::Language, &[], Any, builtins::println),
    variadic("printf", Family::Language, &[Text], Any, builtins::printf),
    variadic("html", Family::Language, &[], Any, builtins::html),
    variadic("js", Family::Language, &[], Any, builtins::js),
    variadic("urlquery", Family::Language, &[], Any, builtins::urlquery),
    plain("hello", Family::Strings, &[], strings::hello),
    plain("abbrev", Family::Strings, &[Int, Text], strings::abbrev),
    plain("abbrevboth", Family::Strings, &[Int, Int, Text], strings::abbrevboth),
    plain("trunc", Family::Strings, &[Int, Text], strings::trunc),
    plain("trim", Family::Strings, &[Text], strings::trim),
    plain("trimall", Family::Strings, &[Text, Text], strings::trim_all),
    plain("trimAll", Family::Strings, &[Text, Text], strings::trim_all),
    plain("trimSuffix", Family::Strings, &[Text, Text], strings::trim_suffix),
    plain("trimPrefix", Family::Strings, &[Text, Text], strings::trim_prefix),
    plain("upper", Family::Strings, &[Text], case::upper),
    plain("lower", Family::Strings, &[Text], case::lower),
    plain("title", Family::Strings, &[Text], case::title),
    plain("untitle", Family::Strings, &[Text], case::untitle),
    plain("swapcase", Family::Strings, &[Text], case::swapcase),
    plain("snakecase", Family::Strings, &[Text], case::snakecase),
    plain("kebabcase", Family::Strings, &[Text], case::kebabcase),
    plain("camelcase", Family::Strings, &[Text], case::camelcase),
    plain("substr", Family::Strings, &[Int, Int, Text], strings::substr),
    plain("repeat", Family::Strings, &[Int, Text], strings::repeat),
    plain("nospace", Family::Strings, &[Text], strings::nospace),
    plain("initials", Family::Strings, &[Text], strings::initials),
    plain("wrap", Family::Strings, &[Int, Text], strings::wrap),
    plain("wrapWith", Family::Strings, &[Int, Text, Text], strings::wrap_with),
    plain("contains", Family::Strings, &[Text, Text], strings::contains),
    plain("hasPrefix", Family::Strings, &[Text, Text], strings::has_prefix),
    plain("hasSuffix", Family::Strings, &[Text, Text], strings::has_suffix),
    variadic("quote", Family::Strings, &[], Any, strings::quote),
    variadic("squote", Family::Strings, &[], Any, strings::squote),
    variadic("cat", Family::Strings, &[], Any, strings::cat),
    plain("indent", Family::Strings, &[Int, Text], strings::indent),
    plain("nindent", Family::Strings, &[Int, Text], strings::nindent),
    plain("replace", Family::Strings, &[Text, Text, Text], strings::replace),
    plain("plural", Family::Strings, &[Text, Text, Int], strings::plural),
    plain("split", Family::StringLists, &[Text, Text], lists::split),
    plain("splitn", Family::StringLists, &[Text, Int, Text], lists::splitn),
    plain("splitList", Family::StringLists, &[Text, Text], lists::split_list),
    plain("join", Family::StringLists, &[Text, Any], lists::join),
    plain("sortAlpha", Family::StringLists, &[Any], lists::sort_alpha),
    plain("toStrings", Family::StringLists, &[Any], lists::to_strings),
    variadic("tuple", Family::Lists, &[], Any, lists::list),
    variadic("list", Family::Lists, &[], Any, lists::list),
    plain("append", Family::Lists, &[Any, Any], lists::append),
    plain("push", Family::Lists, &[Any, Any], lists::append),
    plain("mustAppend", Family::Lists, &[Any, Any], lists::append),
    plain("mustPush", Family::Lists, &[Any, Any], lists::append),
    plain("prepend", Family::Lists, &[Any, Any], lists::prepend),
    plain("mustPrepend", Family::Lists, &[Any, Any], lists::prepend),
    plain("first", Family::Lists, &[Any], lists::first),
    plain("mustFirst", Family::Lists, &[Any], lists::first),
    plain("rest", Family::Lists, &[Any], lists::rest),
    plain("mustRest", Family::Lists, &[Any], lists::rest),
    plain("last", Family::Lists, &[Any], lists::last),
    plain("mustLast", Family::Lists, &[Any], lists::last),
    plain("initial", Family::Lists, &[Any], lists::initial),
    plain("mustInitial", Family::Lists, &[Any], lists::initial),
    plain("reverse", Family::Lists, &[Any], lists::reverse),
    plain("mustReverse", Family::Lists, &[Any], lists::reverse),
    plain("uniq", Family::Lists, &[Any], lists::uniq),
    plain("mustUniq", Family::Lists, &[Any], lists::uniq),
    variadic("without", Family::Lists, &[Any], Any, lists::without),
    variadic("mustWithout", Family::Lists, &[Any], Any, lists::without),
    plain("has", Family::Lists, &[Any, Any], lists::has),
    plain("mustHas", Family::Lists, &[Any, Any], lists::has),
    variadic("slice", Family::Lists, &[Any], Any, lists::slice),
    variadic("mustSlice", Family::Lists, &[Any], Any, lists::slice),
    variadic("concat", Family::Lists, &[], Any, lists::concat),
    plain("chunk", Family::Lists, &[Int, Any], lists::chunk),
    plain("mustChunk", Family::Lists, &[Int, Any], lists::chunk),
    plain("compact", Family::Lists, &[Any], lists::compact),
    plain("mustCompact", Family::Lists, &[Any], lists::compact),
    plain("until", Family::Lists, &[Int], lists::until),
    plain("untilStep", Family::Lists, &[Int, Int, Int], lists::until_step),
    variadic("seq", Family::Lists, &[], Int, lists::seq),
    variadic("dict", Family::Dicts, &[], Any, dicts::dict),
    plain("get", Family::Dicts, &[Dict, Text], dicts::get),
    plain("set", Family::Dicts, &[Dict, Text, Any], dicts::set),
    plain("unset", Family::Dicts, &[Dict, Text], dicts::unset),
    plain("hasKey", Family::Dicts, &[Dict, Text], dicts::has_key),
    variadic("pluck", Family::Dicts, &[Text], Dict, dicts::pluck),
    variadic("keys", Family::Dicts, &[], Dict, dicts::keys),
    variadic("pick", Family::Dicts, &[Dict], Text, dicts::pick),
    variadic("omit", Family::Dicts, &[Dict], Text, dicts::omit),
    variadic("merge", Family::Dicts, &[Dict], Dict, dicts::merge),
    variadic("mustMerge", Family::Dicts, &[Dict], Dict, dicts::merge),
    variadic("mergeOverwrite", Family::Dicts, &[Dict], Dict, dicts::merge_overwrite),
    variadic("mustMergeOverwrite", Family::Dicts, &[Dict], Dict, dicts::merge_overwrite),
    plain("values", Family::Dicts, &[Dict], dicts::values),
    plain("deepCopy", Family::Dicts, &[Any], dicts::deep_copy),
    plain("mustDeepCopy", Family::Dicts, &[Any], dicts::deep_copy),
    variadic("dig", Family::Dicts, &[], Any, dicts::dig),
    plain("add1", Family::Math, &[Any], math::add1),
    variadic("add", Family::Math, &[], Any, math::add),
    plain("sub", Family::Math, &[Any, Any], math::sub),
    plain("div", Family::Math, &[Any, Any], math::div),
    plain("mod", Family::Math, &[Any, Any], math::modulo),
    variadic("mul", Family::Math, &[Any], Any, math::mul),
    variadic("max", Family::Math, &[Any], Any, math::max),
    variadic("biggest", Family::Math, &[Any], Any, math::max),
    variadic("min", Family::Math, &[Any], Any, math::min),
    plain("add1f", Family::Math, &[Any], math::add1f),
    variadic("addf", Family::Math, &[], Any, math::addf),
    variadic("subf", Family::Math, &[Any], Any, math::subf),
    variadic("divf", Family::Math, &[Any], Any, math::divf),
    variadic("mulf", Family::Math, &[Any], Any, math::mulf),
    variadic("maxf", Family::Math, &[Any], Any, math::maxf),
    variadic("minf", Family::Math, &[Any], Any, math::minf),
    plain("ceil", Family::Math, &[Any], math::ceil),
    plain("floor", Family::Math, &[Any], math::floor),
    variadic("round", Family::Math, &[Any, Int], Float, math::round),
    variadic("default", Family::Defaults, &[Any], Any, defaults::default),
    plain("empty", Family::Defaults, &[Any], defaults::empty),
    variadic("coalesce", Family::Defaults, &[], Any, defaults::coalesce),
    variadic("all", Family::Defaults, &[], Any, defaults::all),
    variadic("any", Family::Defaults, &[], Any, defaults::any),
    plain("ternary", Family::Defaults, &[Any, Any, Bool], defaults::ternary),
    plain("fail", Family::Defaults, &[Text], defaults::fail),
    plain("fromJson", Family::Defaults, &[Text], defaults::from_json),
    plain("mustFromJson", Family::Defaults, &[Text], defaults::must_from_json),
    plain("toJson", Family::Defaults, &[Any], defaults::to_json),
    plain("mustToJson", Family::Defaults, &[Any], defaults::must_to_json),
    plain("toPrettyJson", Family::Defaults, &[Any], defaults::to_pretty_json),
    plain("mustToPrettyJson", Family::Defaults, &[Any], defaults::must_to_pretty_json),
    plain("toRawJson", Family::Defaults, &[Any], defaults::to_raw_json),
    plain("mustToRawJson", Family::Defaults, &[Any], defaults::to_raw_json),
    plain("atoi", Family::Conversion, &[Text], convert::atoi),
    plain("int", Family::Conversion, &[Any], convert::int),
    plain("int64", Family::Conversion, &[Any], convert::int64),
    plain("float64", Family::Conversion, &[Any], convert::float64),
    plain("toString", Family::Conversion, &[Any], convert::to_string),
    plain("toDecimal", Family::Conversion, &[Any], convert::to_decimal),
    plain("typeOf", Family::Types, &[Any], reflection::type_of),
    plain("typeIs", Family::Types, &[Text, Any], reflection::type_is),
    plain("typeIsLike", Family::Types, &[Text, Any], reflection::type_is_like),
    plain("kindOf", Family::Types, &[Any], reflection::kind_of),
    plain("kindIs", Family::Types, &[Text, Any], reflection::kind_is),
    plain("deepEqual", Family::Types, &[Any, Any], reflection::deep_equal),
    plain("regexMatch", Family::Regex, &[Text, Text], regex::matches),
    plain("mustRegexMatch", Family::Regex, &[Text, Text], regex::must_match),
    plain("regexFind", Family::Regex, &[Text, Text], regex::find),
    plain("mustRegexFind", Family::Regex, &[Text, Text], regex::find),
    plain("regexFindAll", Family::Regex, &[Text, Text, Int], regex::find_all_texts),
    plain("mustRegexFindAll", Family::Regex, &[Text, Text, Int], regex::find_all_texts),
    plain("regexReplaceAll", Family::Regex, &[Text, Text, Text], regex::replace_all),
    plain("mustRegexReplaceAll", Family::Regex, &[Text, Text, Text], regex::replace_all),
    plain("regexReplaceAllLiteral", Family::Regex, &[Text, Text, Text], regex::replace_all_literal),
    plain(
        "mustRegexReplaceAllLiteral",
        Family::Regex,
        &[Text, Text, Text],
        regex::replace_all_literal,
    ),
    plain("regexSplit", Family::Regex, &[Text, Text, Int], regex::split),
    plain("mustRegexSplit", Family::Regex, &[Text, Text, Int], regex::split),
    plain("regexQuoteMeta", Family::Regex, &[Text], regex::quote_meta),
    plain("semver", Family::Semver, &[Text], semver::semver),
    plain("semverCompare", Family::Semver, &[Text, Text], semver::compare),
    plain("b64enc", Family::Encoding, &[Text], encoding::b64enc),
    plain("b64dec", Family::Encoding, &[Text], encoding::b64dec),
    plain("b32enc", Family::Encoding, &[Text], encoding::b32enc),
    plain("b32dec", Family::Encoding, &[Text], encoding::b32dec),
    plain("sha256sum", Family::Encoding, &[Text], encoding::sha256sum),
    plain("sha512sum", Family::Encoding, &[Text], encoding::sha512sum),
    plain("adler32sum", Family::Encoding, &[Text], encoding::adler32sum),
    refused("ago"),
    refused("base"),
    refused("bcrypt"),
    refused("buildCustomCert"),
    refused("clean"),
    refused("date"),
    refused("dateInZone"),
    refused("dateModify"),
    refused("date_in_zone"),
    refused("date_modify"),
    refused("decryptAES"),
    refused("derivePassword"),
    refused("dir"),
    refused("duration"),
    refused("durationRound"),
    refused("encryptAES"),
    refused("env"),
    refused("expandenv"),
    refused("ext"),
    refused("genCA"),
    refused("genCAWithKey"),
    refused("genPrivateKey"),
    refused("genSelfSignedCert"),
    refused("genSelfSignedCertWithKey"),
    refused("genSignedCert"),
    refused("genSignedCertWithKey"),
    refused("getHostByName"),
    refused("htmlDate"),
    refused("htmlDateInZone"),
    refused("htpasswd"),
    refused("isAbs"),
    refused("mustDateModify"),
    refused("mustToDate"),
    refused("must_date_modify"),
    refused("now"),
    refused("osBase"),
    refused("osClean"),
    refused("osDir"),
    refused("osExt"),
    refused("osIsAbs"),
    refused("randAlpha"),
    refused("randAlphaNum"),
    refused("randAscii"),
    refused("randBytes"),
    refused("randInt"),
    refused("randNumeric"),
    refused("sha1sum"),
    refused("shuffle"),
    refused("toDate"),
    refused("unixEpoch"),
    refused("urlJoin"),
    refused("urlParse"),
    refused("uuidv4"),
];
