//! Function calls: which code answers which function.

use super::{
    Engine, Grid, Val,
    column::{ABSENT, Column, is_absent, map, presence},
    date,
    math::{Mean, Sum, Variance, nan_first, quantile},
    select::Take,
    window::{self, Slope, View, Window},
};
use crate::{
    ast::{Call, Expr, ExprKind, Widen},
    error::EvalError,
    function::Function,
    number::{format_value, go_max, go_min},
};
use model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};
use std::cmp::Ordering;

impl Engine<'_> {
    pub(super) fn call(&mut self, expr: &Expr, call: &Call, grid: Grid) -> Result<Val, EvalError> {
        if let Some(values) = self.scalar_call(call, grid)? {
            return Ok(Val::Scalar(values));
        }
        let args = call.args.as_slice();
        let columns = match call.function {
            Function::VectorOf => {
                let values = self.scalar(&args[0], grid)?;
                vec![Column { labels: Labels::empty(), unnamed: false, values }]
            }
            Function::Absent => {
                let there = presence(&self.vector(&args[0], grid)?, grid.count);
                absent(&args[0], &there)
            }
            Function::Timestamp => self.timestamp(&args[0], grid)?,
            Function::Sort => sorted(self.vector(&args[0], grid)?, false),
            Function::SortDesc => sorted(self.vector(&args[0], grid)?, true),
            Function::SortByLabel => self.sort_by_label(args, grid, |order| order)?,
            Function::SortByLabelDesc => self.sort_by_label(args, grid, Ordering::reverse)?,
            Function::LabelReplace => self.label_replace(args, grid)?,
            Function::LabelJoin => self.label_join(args, grid)?,
            Function::HistogramQuantile => self.histogram_quantile(args, grid)?,
            Function::HistogramQuantiles => self.histogram_quantiles(call, grid)?,
            Function::HistogramFraction => self.histogram_fraction(args, grid)?,
            Function::Info => self.info(args, grid)?,
            // Float samples are no native histograms and carry no start timestamp.
            Function::HistogramAvg
            | Function::HistogramCount
            | Function::HistogramStdDev
            | Function::HistogramStdVar
            | Function::HistogramSum
            | Function::StartTimestamp => {
                self.vector(&args[0], grid)?;
                Vec::new()
            }
            _ if args.iter().any(|arg| arg.result_type() == crate::ValueType::Matrix) => {
                self.range_call(expr, call, grid)?
            }
            function => self.instant_call(function, args, grid)?,
        };
        Ok(Val::Vector(columns))
    }

    /// `None` if the function yields no scalar.
    fn scalar_call(&mut self, call: &Call, grid: Grid) -> Result<Option<Vec<f64>>, EvalError> {
        let constant = |v: f64| vec![v; grid.count];
        let seconds = |ms: i64| ms as f64 / 1000.0;
        Ok(Some(match call.function {
            Function::Time => grid.times().map(seconds).collect(),
            Function::Pi => constant(std::f64::consts::PI),
            Function::Start => constant(seconds(self.query_start)),
            Function::End => constant(seconds(self.query_end)),
            Function::Step => constant(seconds(self.frame.step)),
            Function::Range => constant(seconds(self.frame.range)),
            Function::MinOf | Function::MaxOf => {
                let a = self.scalar(&call.args[0], grid)?;
                let b = self.scalar(&call.args[1], grid)?;
                let pick = if call.function == Function::MinOf { go_min } else { go_max };
                a.into_iter().zip(b).map(|(a, b)| pick(a, b)).collect()
            }
            Function::ScalarOf => {
                let mut values = vec![ABSENT; grid.count];
                for column in self.vector(&call.args[0], grid)? {
                    for (value, v) in values.iter_mut().zip(column.values).filter(|(_, v)| !is_absent(*v)) {
                        *value = if is_absent(*value) { v } else { f64::NAN };
                    }
                }
                values.into_iter().map(|v| if is_absent(v) { f64::NAN } else { v }).collect()
            }
            _ => return Ok(None),
        }))
    }

    /// The time of the sample itself for a plain selector, of the step for anything else.
    fn timestamp(&mut self, arg: &Expr, grid: Grid) -> Result<Vec<Column>, EvalError> {
        if let ExprKind::Vector(selector) = &arg.unwrapped().kind
            && selector.widen == Widen::No
        {
            let looks = self.anchored(&selector.anchor, grid)?;
            let mut columns = self.latest(&selector.matchers, looks, Take::Time)?;
            columns.iter_mut().for_each(|column| column.unnamed = true);
            return Ok(columns);
        }
        Ok(map(self.vector(arg, grid)?, |step, _| grid.at(step) as f64 / 1000.0))
    }

    /// Functions that turn each value into another.
    fn instant_call(
        &mut self,
        function: Function,
        args: &[Expr],
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let columns = match args.first() {
            Some(arg) => self.vector(arg, grid)?,
            None => {
                let values = grid.times().map(|ms| ms as f64 / 1000.0).collect();
                vec![Column { labels: Labels::empty(), unnamed: false, values }]
            }
        };
        let mut scalars = Vec::new();
        for arg in args.iter().skip(1) {
            scalars.push(self.scalar(arg, grid)?);
        }
        let constant = |value: &f64| scalars.is_empty().then_some(*value);
        if let Some(plain) = plain(function) {
            return Ok(map(columns, |_, v| plain(v)));
        }
        Ok(match function {
            Function::Round => {
                let to = |step: usize| constant(&1.0).unwrap_or_else(|| scalars[0][step]);
                map(columns, |step, v| {
                    let inverse = 1.0 / to(step);
                    (v * inverse + 0.5).floor() / inverse
                })
            }
            Function::ClampMax => map(columns, |step, v| go_min(scalars[0][step], v)),
            Function::ClampMin => map(columns, |step, v| go_max(scalars[0][step], v)),
            Function::Clamp => {
                let mut columns = map(columns, |step, v| {
                    let (least, most) = (scalars[0][step], scalars[1][step]);
                    if most < least { ABSENT } else { go_max(least, go_min(most, v)) }
                });
                columns.retain(|column| !column.is_empty());
                columns
            }
            date_part => map(columns, |_, v| date::part(date_part, v)),
        })
    }

    /// Functions of windows.
    fn range_call(&mut self, expr: &Expr, call: &Call, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let (mut matrix_arg, mut scalars) = (None, Vec::new());
        for arg in &call.args {
            match arg.result_type() {
                crate::ValueType::Matrix => matrix_arg = Some(arg),
                _ => scalars.push(self.scalar(arg, grid)?),
            }
        }
        let arg = matrix_arg.ok_or_else(|| EvalError::at(expr.place, "expected a range vector"))?;
        let function = call.function;
        check_widening(function, arg)?;
        self.check_range_scalars(call, &scalars)?;
        let (ranged, window) = self.ranged(arg, grid)?;
        let keeps_name = matches!(function, Function::LastOverTime | Function::FirstOverTime);
        let mut loaded = 0;
        let mut columns = Vec::with_capacity(ranged.len());
        for (i, series) in ranged.into_iter().enumerate() {
            if i % 64 == 63 {
                self.check_deadline()?;
            }
            loaded += series.samples.len();
            self.hold(grid.count)?;
            let values = over_windows(function, &window, &series.samples, &scalars, grid);
            let unnamed = series.unnamed || !keeps_name;
            let column = Column { labels: series.labels, unnamed, values };
            if column.is_empty() {
                self.release(grid.count);
                continue;
            }
            self.check_counter_name(function, &column, arg);
            columns.push(column);
        }
        self.release(loaded);
        if function == Function::AbsentOverTime {
            return Ok(absent(arg, &presence(&columns, grid.count)));
        }
        Ok(columns)
    }

    fn check_range_scalars(&mut self, call: &Call, scalars: &[Vec<f64>]) -> Result<(), EvalError> {
        match call.function {
            Function::QuantileOverTime => self.check_quantiles(&call.args[0], &scalars[0]),
            Function::DoubleExponentialSmoothing => {
                for (i, (what, letter)) in [("smoothing", "sf"), ("trend", "tf")].into_iter().enumerate() {
                    if let Some(bad) = scalars[i].iter().find(|v| !(**v > 0.0 && **v < 1.0)) {
                        return Err(EvalError::at(
                            call.args[i + 1].place,
                            format!(
                                "invalid {what} factor. Expected: 0 < {letter} < 1, got: {}",
                                format_value(*bad)
                            ),
                        ));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_counter_name(&mut self, function: Function, column: &Column, arg: &Expr) {
        let name = column.labels.name();
        let counter = ["_total", "_sum", "_count", "_bucket"].iter().any(|suffix| name.ends_with(suffix));
        if matches!(function, Function::Rate | Function::Increase) && !name.is_empty() && !counter {
            let what = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket";
            self.inform(arg.place, &format!("{what}: {name:?}"));
        }
    }
}

/// Few functions know what to do with samples beside the window.
fn check_widening(function: Function, arg: &Expr) -> Result<(), EvalError> {
    let widen = match &arg.unwrapped().kind {
        ExprKind::Vector(selector) => selector.widen,
        _ => Widen::No,
    };
    if function.takes(widen) {
        return Ok(());
    }
    let what = match widen {
        Widen::Anchored => "anchored modifier can only be used with: changes, delta, increase, rate, resets",
        _ => "smoothed modifier can only be used with: delta, increase, rate",
    };
    Err(EvalError::at(arg.place, format!("{what} - not with {}", function.name())))
}

/// One series' values of a function, window by window.
fn over_windows(
    function: Function,
    window: &Window,
    samples: &[model::Sample],
    scalars: &[Vec<f64>],
    grid: Grid,
) -> Vec<f64> {
    let seconds = |sample: model::Sample| sample.t.as_secs_f64();
    let slope = match function {
        Function::Rate | Function::Irate => Slope { counter: true, rate: true },
        Function::Increase => Slope { counter: true, rate: false },
        _ => Slope { counter: false, rate: false },
    };
    match function {
        Function::Rate | Function::Increase | Function::Delta if window.widen != Widen::No => {
            window.apply(samples, |view| window::between_edges(view, slope, window.widen))
        }
        Function::Rate | Function::Increase | Function::Delta => {
            let lost = if slope.counter && grid.count > 1 { window::lost_to_resets(samples) } else { None };
            window.apply(samples, |view| window::extrapolated(view, slope, lost.as_deref()))
        }
        Function::Irate | Function::Idelta => window.apply(samples, |view| window::last_two(view, slope)),
        Function::Changes => window.apply(samples, |view| Some(window::changes(view))),
        Function::Resets => window.apply(samples, |view| Some(window::resets(view))),
        Function::Deriv => window.apply(samples, |view| {
            let at = view.samples[0].t.as_millis();
            window::line(view, at).map(|(slope, _)| slope)
        }),
        Function::PredictLinear => window.apply(samples, |view| {
            let (slope, intercept) = window::line(view, grid.at(view.step))?;
            Some(slope * scalars[0][view.step] + intercept)
        }),
        Function::DoubleExponentialSmoothing => {
            window.apply(samples, |view| window::smoothed(view, scalars[0][view.step], scalars[1][view.step]))
        }
        Function::MaxOverTime => window::sliding_extreme(window, samples, |v, best| v > best),
        Function::MinOverTime => window::sliding_extreme(window, samples, |v, best| v < best),
        Function::TsOfMaxOverTime => {
            window.apply(samples, |view| window::extreme(view, |v, best| v >= best).map(seconds))
        }
        Function::TsOfMinOverTime => {
            window.apply(samples, |view| window::extreme(view, |v, best| v <= best).map(seconds))
        }
        Function::FirstOverTime => window.apply(samples, |view| view.samples.first().map(|sample| sample.v)),
        Function::LastOverTime => window.apply(samples, |view| view.samples.last().map(|sample| sample.v)),
        Function::TsOfFirstOverTime => {
            window.apply(samples, |view| view.samples.first().copied().map(seconds))
        }
        Function::TsOfLastOverTime => window.apply(samples, |view| view.samples.last().copied().map(seconds)),
        Function::CountOverTime => window.apply(samples, |view| Some(view.samples.len() as f64)),
        Function::PresentOverTime | Function::AbsentOverTime => window.apply(samples, |_| Some(1.0)),
        Function::QuantileOverTime => {
            let mut here = Vec::new();
            window.apply(samples, |view| {
                here.clear();
                here.extend(view.values());
                Some(quantile(scalars[0][view.step], &mut here))
            })
        }
        _ => window.apply(samples, |view| summary(function, view)),
    }
}

/// Sums, means and spreads.
fn summary(function: Function, view: View<'_>) -> Option<f64> {
    match function {
        Function::SumOverTime => {
            let mut sum = Sum::default();
            view.values().for_each(|v| sum.add(v));
            Some(sum.total())
        }
        Function::AvgOverTime => {
            let mut mean = Mean::default();
            view.values().for_each(|v| mean.add(v));
            mean.value()
        }
        Function::StdDevOverTime | Function::StdVarOverTime => {
            let mut variance = Variance::default();
            view.values().for_each(|v| variance.add(v));
            variance.value().map(|v| if function == Function::StdDevOverTime { v.sqrt() } else { v })
        }
        Function::MadOverTime => {
            let mut values: Vec<f64> = view.values().collect();
            let median = quantile(0.5, &mut values);
            values.iter_mut().for_each(|v| *v = (*v - median).abs());
            Some(quantile(0.5, &mut values))
        }
        _ => None,
    }
}

/// A function of one number.
fn plain(function: Function) -> Option<fn(f64) -> f64> {
    let plain: fn(f64) -> f64 = match function {
        Function::Abs => f64::abs,
        Function::Acos => f64::acos,
        Function::Acosh => f64::acosh,
        Function::Asin => f64::asin,
        Function::Asinh => f64::asinh,
        Function::Atan => f64::atan,
        Function::Atanh => f64::atanh,
        Function::Ceil => f64::ceil,
        Function::Cos => f64::cos,
        Function::Cosh => f64::cosh,
        Function::Deg => f64::to_degrees,
        Function::Exp => f64::exp,
        Function::Floor => f64::floor,
        Function::Ln => f64::ln,
        Function::Log10 => f64::log10,
        Function::Log2 => f64::log2,
        Function::Rad => f64::to_radians,
        Function::Sgn => |v| match v {
            v if v > 0.0 => 1.0,
            v if v < 0.0 => -1.0,
            v => v,
        },
        Function::Sin => f64::sin,
        Function::Sinh => f64::sinh,
        Function::Sqrt => f64::sqrt,
        Function::Tan => f64::tan,
        Function::Tanh => f64::tanh,
        _ => return None,
    };
    Some(plain)
}

/// By value at a single step, NaNs last; over a range the answer is sorted by labels anyway.
fn sorted(mut columns: Vec<Column>, descending: bool) -> Vec<Column> {
    if let [] | [_] = columns.as_slice() {
        return columns;
    }
    columns.sort_by(|a, b| {
        let (Some(a), Some(b)) = (a.values.first(), b.values.first()) else { return Ordering::Equal };
        match (a.is_nan() || b.is_nan(), descending) {
            (true, _) => nan_first(a, b).reverse(),
            (false, false) => a.total_cmp(b),
            (false, true) => b.total_cmp(a),
        }
    });
    columns
}

/// 1 where there is nothing, labelled with what the selector asked for by equality, each label once.
fn absent(arg: &Expr, there: &[bool]) -> Vec<Column> {
    let values: Vec<f64> = there.iter().map(|there| if *there { ABSENT } else { 1.0 }).collect();
    let matchers: &[Matcher] = match &arg.unwrapped().kind {
        ExprKind::Vector(selector) => &selector.matchers,
        _ => &[],
    };
    let mut builder = LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME) {
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            builder.set(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            builder.del(matcher.name());
        }
    }
    let column = Column { labels: builder.build(), unnamed: false, values };
    if column.is_empty() { Vec::new() } else { vec![column] }
}
