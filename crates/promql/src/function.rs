//! The functions: their names, the types of their arguments and of their result.

use crate::ast::ValueType::{self, Matrix, Scalar, String as Text, Vector};
use crate::ast::Widen;

/// How many arguments may be missing or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arity {
    /// As many as listed.
    Exact,
    /// The last one may be missing.
    LastOptional,
    /// The last one may come any number of times, `least` of them at least.
    Repeat { least: usize },
}

struct Spec {
    name: &'static str,
    args: &'static [ValueType],
    arity: Arity,
    returns: ValueType,
}

macro_rules! functions {
    ($($variant:ident $name:literal ($($arg:ident),*) $arity:expr => $returns:ident;)*) => {
        /// A function of the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // each is what its name says
        pub enum Function { $($variant,)* }

        impl Function {
            /// Every function.
            pub const ALL: &'static [Function] = &[$(Function::$variant,)*];

            fn spec(self) -> &'static Spec {
                match self {
                    $(Function::$variant => &Spec {
                        name: $name,
                        args: &[$($arg),*],
                        arity: $arity,
                        returns: $returns,
                    },)*
                }
            }
        }
    };
}

use Arity::{Exact, LastOptional, Repeat};

functions! {
    Abs "abs" (Vector) Exact => Vector;
    Absent "absent" (Vector) Exact => Vector;
    AbsentOverTime "absent_over_time" (Matrix) Exact => Vector;
    Acos "acos" (Vector) Exact => Vector;
    Acosh "acosh" (Vector) Exact => Vector;
    Asin "asin" (Vector) Exact => Vector;
    Asinh "asinh" (Vector) Exact => Vector;
    Atan "atan" (Vector) Exact => Vector;
    Atanh "atanh" (Vector) Exact => Vector;
    AvgOverTime "avg_over_time" (Matrix) Exact => Vector;
    Ceil "ceil" (Vector) Exact => Vector;
    Changes "changes" (Matrix) Exact => Vector;
    Clamp "clamp" (Vector, Scalar, Scalar) Exact => Vector;
    ClampMax "clamp_max" (Vector, Scalar) Exact => Vector;
    ClampMin "clamp_min" (Vector, Scalar) Exact => Vector;
    Cos "cos" (Vector) Exact => Vector;
    Cosh "cosh" (Vector) Exact => Vector;
    CountOverTime "count_over_time" (Matrix) Exact => Vector;
    DayOfMonth "day_of_month" (Vector) LastOptional => Vector;
    DayOfWeek "day_of_week" (Vector) LastOptional => Vector;
    DayOfYear "day_of_year" (Vector) LastOptional => Vector;
    DaysInMonth "days_in_month" (Vector) LastOptional => Vector;
    Deg "deg" (Vector) Exact => Vector;
    Delta "delta" (Matrix) Exact => Vector;
    Deriv "deriv" (Matrix) Exact => Vector;
    DoubleExponentialSmoothing "double_exponential_smoothing" (Matrix, Scalar, Scalar) Exact => Vector;
    End "end" () Exact => Scalar;
    Exp "exp" (Vector) Exact => Vector;
    FirstOverTime "first_over_time" (Matrix) Exact => Vector;
    Floor "floor" (Vector) Exact => Vector;
    HistogramAvg "histogram_avg" (Vector) Exact => Vector;
    HistogramCount "histogram_count" (Vector) Exact => Vector;
    HistogramFraction "histogram_fraction" (Scalar, Scalar, Vector) Exact => Vector;
    HistogramQuantile "histogram_quantile" (Scalar, Vector) Exact => Vector;
    HistogramQuantiles "histogram_quantiles" (Vector, Text, Scalar) Repeat { least: 1 } => Vector;
    HistogramStdDev "histogram_stddev" (Vector) Exact => Vector;
    HistogramStdVar "histogram_stdvar" (Vector) Exact => Vector;
    HistogramSum "histogram_sum" (Vector) Exact => Vector;
    Hour "hour" (Vector) LastOptional => Vector;
    Idelta "idelta" (Matrix) Exact => Vector;
    Increase "increase" (Matrix) Exact => Vector;
    Info "info" (Vector, Vector) LastOptional => Vector;
    Irate "irate" (Matrix) Exact => Vector;
    LabelJoin "label_join" (Vector, Text, Text, Text) Repeat { least: 0 } => Vector;
    LabelReplace "label_replace" (Vector, Text, Text, Text, Text) Exact => Vector;
    LastOverTime "last_over_time" (Matrix) Exact => Vector;
    Ln "ln" (Vector) Exact => Vector;
    Log10 "log10" (Vector) Exact => Vector;
    Log2 "log2" (Vector) Exact => Vector;
    MadOverTime "mad_over_time" (Matrix) Exact => Vector;
    MaxOf "max_of" (Scalar, Scalar) Exact => Scalar;
    MaxOverTime "max_over_time" (Matrix) Exact => Vector;
    MinOf "min_of" (Scalar, Scalar) Exact => Scalar;
    MinOverTime "min_over_time" (Matrix) Exact => Vector;
    Minute "minute" (Vector) LastOptional => Vector;
    Month "month" (Vector) LastOptional => Vector;
    Pi "pi" () Exact => Scalar;
    PredictLinear "predict_linear" (Matrix, Scalar) Exact => Vector;
    PresentOverTime "present_over_time" (Matrix) Exact => Vector;
    QuantileOverTime "quantile_over_time" (Scalar, Matrix) Exact => Vector;
    Rad "rad" (Vector) Exact => Vector;
    Range "range" () Exact => Scalar;
    Rate "rate" (Matrix) Exact => Vector;
    Resets "resets" (Matrix) Exact => Vector;
    Round "round" (Vector, Scalar) LastOptional => Vector;
    ScalarOf "scalar" (Vector) Exact => Scalar;
    Sgn "sgn" (Vector) Exact => Vector;
    Sin "sin" (Vector) Exact => Vector;
    Sinh "sinh" (Vector) Exact => Vector;
    Sort "sort" (Vector) Exact => Vector;
    SortByLabel "sort_by_label" (Vector, Text) Repeat { least: 0 } => Vector;
    SortByLabelDesc "sort_by_label_desc" (Vector, Text) Repeat { least: 0 } => Vector;
    SortDesc "sort_desc" (Vector) Exact => Vector;
    Sqrt "sqrt" (Vector) Exact => Vector;
    Start "start" () Exact => Scalar;
    StartTimestamp "start_timestamp" (Vector) Exact => Vector;
    StdDevOverTime "stddev_over_time" (Matrix) Exact => Vector;
    StdVarOverTime "stdvar_over_time" (Matrix) Exact => Vector;
    Step "step" () Exact => Scalar;
    SumOverTime "sum_over_time" (Matrix) Exact => Vector;
    Tan "tan" (Vector) Exact => Vector;
    Tanh "tanh" (Vector) Exact => Vector;
    Time "time" () Exact => Scalar;
    Timestamp "timestamp" (Vector) Exact => Vector;
    TsOfFirstOverTime "ts_of_first_over_time" (Matrix) Exact => Vector;
    TsOfLastOverTime "ts_of_last_over_time" (Matrix) Exact => Vector;
    TsOfMaxOverTime "ts_of_max_over_time" (Matrix) Exact => Vector;
    TsOfMinOverTime "ts_of_min_over_time" (Matrix) Exact => Vector;
    VectorOf "vector" (Scalar) Exact => Vector;
    Year "year" (Vector) LastOptional => Vector;
}

impl Function {
    /// The function of this name.
    pub fn named(name: &str) -> Option<Function> {
        Function::ALL.iter().copied().find(|function| function.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// What it yields.
    pub fn returns(self) -> ValueType {
        self.spec().returns
    }

    /// The type of its argument number `i`, if it takes that many.
    pub(crate) fn argument(self, i: usize) -> Option<ValueType> {
        let spec = self.spec();
        match spec.arity {
            Arity::Repeat { .. } => spec.args.get(i).or(spec.args.last()).copied(),
            _ => spec.args.get(i).copied(),
        }
    }

    /// What is wrong with this number of arguments, if anything.
    pub(crate) fn refuses(self, count: usize) -> Option<String> {
        let Spec { name, args, arity, .. } = self.spec();
        let (least, most) = match arity {
            Arity::Exact => (args.len(), args.len()),
            Arity::LastOptional => (args.len() - 1, args.len()),
            Arity::Repeat { least } => (args.len() - 1 + least, usize::MAX),
        };
        let most = if self == Function::HistogramQuantiles { 12 } else { most };
        if least == most && count != least {
            return Some(format!("expected {least} argument(s) in call to {name:?}, got {count}"));
        }
        if count < least {
            return Some(format!("expected at least {least} argument(s) in call to {name:?}, got {count}"));
        }
        (count > most)
            .then(|| format!("expected at most {most} argument(s) in call to {name:?}, got {count}"))
    }

    /// Whether it knows what to do with a selector so widened.
    pub(crate) fn takes(self, widen: Widen) -> bool {
        match widen {
            Widen::No => true,
            Widen::Smoothed => matches!(self, Function::Delta | Function::Increase | Function::Rate),
            Widen::Anchored => matches!(
                self,
                Function::Changes | Function::Delta | Function::Increase | Function::Rate | Function::Resets
            ),
        }
    }
}
