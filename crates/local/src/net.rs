//! ONNX networks on one thread.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rten::{Model, ModelOptions, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::{Layout, Tensor};

use crate::LoadError;

/// A network could not be run or answered in another shape.
#[derive(Debug, thiserror::Error)]
#[error("the network {} failed: {message}", .path.display())]
pub(crate) struct NetError {
    path: PathBuf,
    message: String,
}

/// A loaded network.
pub(crate) struct Net {
    path: PathBuf,
    model: Model,
    options: RunOptions,
}

impl Net {
    pub(crate) fn load(path: &Path) -> Result<Self, LoadError> {
        LoadError::require(path)?;
        let model = ModelOptions::with_all_ops()
            .prepack_weights(true)
            .load_file(path)
            .map_err(|error| LoadError::unreadable(path, error))?;
        let mut options = RunOptions::default();
        // One call's work on one core: several calls share the machine better than one net shares its cores.
        options.thread_pool = Some(Arc::new(ThreadPool::with_num_threads(1)));
        Ok(Self {
            path: path.to_owned(),
            model,
            options,
        })
    }

    /// The named outputs, in order.
    pub(crate) fn run<const N: usize>(
        &self,
        inputs: Vec<(&str, Value)>,
        outputs: [&str; N],
    ) -> Result<[Value; N], NetError> {
        let node = |name: &str| self.model.node_id(name).map_err(|error| self.error(&error));
        let inputs = inputs
            .into_iter()
            .map(|(name, value)| Ok((node(name)?, ValueOrView::from(value))))
            .collect::<Result<Vec<_>, NetError>>()?;
        let outputs = outputs.iter().map(|name| node(name)).collect::<Result<Vec<_>, _>>()?;
        let values = self
            .model
            .run(inputs, &outputs, Some(self.options.clone()))
            .map_err(|error| self.error(&error))?;
        values.try_into().map_err(|_| self.error(&"another number of outputs"))
    }

    /// A tensor's shape and numbers.
    pub(crate) fn floats(&self, value: Value) -> Result<(Vec<usize>, Vec<f32>), NetError> {
        let tensor: Tensor<f32> = value
            .into_tensor()
            .ok_or_else(|| self.error(&"not a tensor of floats"))?;
        Ok((tensor.shape().to_vec(), tensor.into_data()))
    }

    pub(crate) fn integers(&self, value: Value) -> Result<Vec<i32>, NetError> {
        let tensor: Tensor<i32> = value
            .into_tensor()
            .ok_or_else(|| self.error(&"not a tensor of integers"))?;
        Ok(tensor.into_data())
    }

    /// A tensor to put in.
    pub(crate) fn tensor<T>(&self, shape: &[usize], numbers: Vec<T>) -> Result<Value, NetError>
    where
        Value: From<Tensor<T>>,
    {
        Value::from_shape(shape, numbers).map_err(|error| self.error(&error))
    }

    pub(crate) fn error(&self, message: &dyn std::fmt::Display) -> NetError {
        NetError {
            path: self.path.clone(),
            message: message.to_string(),
        }
    }
}
