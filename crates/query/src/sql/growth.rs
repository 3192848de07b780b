//! Text that grows: what functions such as `replace` and `||` make is counted by the query's memory pool before it is made,
//! and for as long as it is held.
//!
//! DataFusion counts what sorts, joins and aggregates hold, but not what expressions return; ten doublings of a body in
//! nested table expressions would take the process's memory. Functions whose result cannot be much larger than what they
//! are given need none of this, and those whose result nobody can bound before are not there at all
//! (`functions::UNBOUNDED`).

mod estimate;
mod held;
mod join;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};
use datafusion::optimizer::AnalyzerRule;

use estimate::Estimate;

/// Bytes of a value that is the same for all rows: it is held by the plan, where nothing counts it.
const MAX_CONSTANT_BYTES: usize = 1 << 20;

/// Replaces functions whose result may grow with ones that count it. Runs after types are known.
pub(super) struct CountGrowth {
    pool: Arc<dyn MemoryPool>,
}

impl CountGrowth {
    pub(super) fn new(pool: Arc<dyn MemoryPool>) -> Self {
        Self { pool }
    }

    fn counted(&self, expr: Expr) -> Transformed<Expr> {
        match expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) => match Estimate::of(func.name()) {
                Some(estimate) => self.call(func, estimate, args),
                None => Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })),
            },
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
                let join = Arc::new(ScalarUDF::from(join::Join::default()));
                self.call(join, Estimate::Sum, vec![*left, *right])
            }
            other => Transformed::no(other),
        }
    }

    fn call(&self, inner: Arc<ScalarUDF>, estimate: Estimate, args: Vec<Expr>) -> Transformed<Expr> {
        if inner.inner().is::<Counted>() {
            return Transformed::no(Expr::ScalarFunction(ScalarFunction { func: inner, args }));
        }
        let counted = ScalarUDF::from(Counted { inner, estimate, pool: Arc::clone(&self.pool) });
        Transformed::yes(counted.call(args))
    }
}

impl AnalyzerRule for CountGrowth {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            let plan = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| Ok(self.counted(expr)))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })?;
            plan.map_data(LogicalPlan::recompute_schema)
        })?;
        Ok(rewritten.data)
    }

    fn name(&self) -> &'static str {
        "count_growth"
    }
}

impl fmt::Debug for CountGrowth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountGrowth")
    }
}

/// A function whose results are counted.
struct Counted {
    inner: Arc<ScalarUDF>,
    estimate: Estimate,
    pool: Arc<dyn MemoryPool>,
}

impl ScalarUDFImpl for Counted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let most = self.estimate.bytes(&args.args, rows);
        if is_constant && most > MAX_CONSTANT_BYTES {
            let reason = format!("{} would make a constant of up to {most} bytes", self.name());
            return Err(DataFusionError::ResourcesExhausted(reason));
        }
        let held = MemoryConsumer::new(self.name()).register(&self.pool);
        held.try_grow(most)?;
        match self.inner.invoke_with_args(args)? {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(held::hold(array, held)?)),
            scalar @ ColumnarValue::Scalar(_) => Ok(scalar),
        }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counted").field(&self.inner).finish()
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}
