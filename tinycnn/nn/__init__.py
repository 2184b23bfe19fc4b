"""Layers: Module, Parameter, Sequential, everything of `tinycnn.functional` that has settings or parameters."""

from tinycnn.nn import init
from tinycnn.nn.activation import Dropout, LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from tinycnn.nn.container import Sequential
from tinycnn.nn.convolution import Conv1d, Conv2d, ConvTranspose2d
from tinycnn.nn.linear import Flatten, Identity, Linear, ZeroPad2d
from tinycnn.nn.loss import BCEWithLogitsLoss, CrossEntropyLoss, KLDivLoss, MSELoss, MultiLabelSoftMarginLoss
from tinycnn.nn.module import Module, Parameter, evaluating
from tinycnn.nn.normalization import BatchNorm1d, BatchNorm2d, LocalResponseNorm
from tinycnn.nn.pooling import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    LPPool2d,
    MaxPool2d,
    MaxUnpool2d,
    MinPool2d,
)

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "Identity",
    "KLDivLoss",
    "LPPool2d",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "MaxUnpool2d",
    "MinPool2d",
    "Module",
    "MultiLabelSoftMarginLoss",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "ZeroPad2d",
    "evaluating",
    "init",
]
