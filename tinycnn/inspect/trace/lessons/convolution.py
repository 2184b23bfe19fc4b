"""Convolution, as the algorithm that was asked for computes it."""

from __future__ import annotations

from tinycnn.inspect.trace.lesson import Calls, Lesson
from tinycnn.inspect.trace.lessons import convolution_direct, convolution_im2col, convolution_winograd
from tinycnn.inspect.trace.lessons.convolution_call import ConvolutionCall


def conv2d(calls: Calls) -> Lesson:
    """By im2col or Winograd where that was asked for, else by the definition."""
    call = ConvolutionCall(calls)
    makers = {"im2col": convolution_im2col.lesson, "winograd": convolution_winograd.lesson}
    return makers.get(call.algorithm, convolution_direct.lesson)(call)
