"""Planted bugs in what looks inside a model, and the tests that catch them."""

import pytest

from tests.inspect import test_looking_inside_gradients as gradients
from tests.inspect import test_looking_inside_maps as maps
from tests.inspect import test_looking_inside_randomisation as randomisation
from tests.planted_bugs import Bug, assert_caught, rows
from tinycnn.functional.activation import ReLU

SCORE = gradients.test_the_gradient_equals_central_differences_of_the_score
SALIENCY = gradients.test_saliency_is_the_largest_size_over_the_channels_pixel_by_pixel
GUIDED = gradients.test_guided_backprop_by_hand
TORCH = gradients.test_plain_and_guided_equal_pytorch
GRAD_CAM = maps.test_grad_cam_is_its_formula_over_derivatives_by_differences
CAM = maps.test_under_global_average_pooling_it_is_the_class_activation_map
LAYER = maps.test_the_layer_by_default_is_the_activation_of_the_last_convolution_that_gives_a_map
COVER = maps.test_occlusion_covers_one_window_at_a_time
BATCH = maps.test_how_many_run_at_a_time_changes_nothing
FORGET = randomisation.test_layers_forget_one_after_the_other_from_the_last
UNTOUCHED = randomisation.test_the_model_is_left_as_it_was_even_after_an_error

# fmt: off
GRADIENTS = [
    Bug("all classes sent back",
        "inspect.scores:send_back", "upstream[0, class_index(name, scores, target)] = 1", "upstream[0] = 1",
        SCORE, ("chain", 0)),
    Bug("the largest score in place of the class asked for",
        "inspect.scores:send_back", "class_index(name, scores, target)", "class_index(name, scores, None)",
        TORCH, ("residual", 1)),
    Bug("the smallest score by default",
        "inspect.scores:class_index", "argmax()", "argmin()",
        gradients.test_without_a_target_it_is_the_class_with_the_largest_score),
    Bug("distances taken for scores",
        "inspect.scores:class_scores", "logits_of(model, model(batch))", "model(batch)",
        gradients.test_where_a_model_gives_distances_the_class_is_the_nearest),
    Bug("saliency with its sign",
        "inspect.gradients:saliency", "np.abs(gradient).max(axis=0)", "gradient.max(axis=0)", SALIENCY, ("chain",)),
    Bug("saliency, the size of the largest",
        "inspect.gradients:saliency", "np.abs(gradient).max(axis=0)", "np.abs(gradient.max(axis=0))",
        SALIENCY, ("chain",)),
    Bug("saliency as a mean over the channels",
        "inspect.gradients:saliency", ".max(axis=0)", ".mean(axis=0)", SALIENCY, ("residual",)),
    Bug("saliency over rows",
        "inspect.gradients:saliency", ".max(axis=0)", ".max(axis=1)", SALIENCY, ("residual",)),
    Bug("guided by what came in alone",
        "inspect.gradients:_only_positive", "backward(np.maximum(grad, 0))", "backward(grad)", GUIDED),
    Bug("guided by the gradient alone, as a deconvnet is",
        "inspect.gradients:_only_positive", "backward(np.maximum(grad, 0))", "np.maximum(grad, 0)", GUIDED),
    Bug("guided by the gradient alone, by PyTorch",
        "inspect.gradients:_only_positive", "backward(np.maximum(grad, 0))", "np.maximum(grad, 0)",
        TORCH, ("residual", 0)),
    Bug("what is negative passes",
        "inspect.gradients:_only_positive", "np.maximum", "np.minimum", GUIDED),
    Bug("the size of the gradient passes",
        "inspect.gradients:_only_positive", "np.maximum(grad, 0)", "np.abs(grad)", GUIDED),
    Bug("the first ReLU alone guided",
        "inspect.gradients:guided_backprop", "call.function, ReLU)", "call.function, ReLU) and not guided",
        GUIDED),
    Bug("every ReLU guided for ever",
        "inspect.gradients:guided_backprop",
        'vars(call.function)["backward"] = _only_positive(call.function.backward)',
        "plain = ReLU.backward; ReLU.backward = lambda self, grad: plain(self, np.maximum(grad, 0))",
        gradients.test_guiding_ends_with_the_call),
]

MAPS = [
    Bug("Grad-CAM without ReLU",
        "inspect.grad_cam:grad_cam", "np.maximum(np.tensordot(weight, A, axes=1), 0)",
        "np.tensordot(weight, A, axes=1)", CAM),
    Bug("Grad-CAM without ReLU, by differences",
        "inspect.grad_cam:grad_cam", "np.maximum(np.tensordot(weight, A, axes=1), 0)",
        "np.tensordot(weight, A, axes=1)", GRAD_CAM, (0,)),
    Bug("each map clipped",
        "inspect.grad_cam:grad_cam", "np.tensordot(weight,", "np.tensordot(np.maximum(weight, 0),",
        CAM),
    Bug("the size of the sum",
        "inspect.grad_cam:grad_cam", "np.maximum(np.tensordot(weight, A, axes=1), 0)",
        "np.abs(np.tensordot(weight, A, axes=1))", CAM),
    Bug("gradients averaged over maps and columns",
        "inspect.grad_cam:grad_cam", "axis=(1, 2)", "axis=(0, 2)", GRAD_CAM, (1,), (AssertionError, ValueError)),
    Bug("gradients not averaged",
        "inspect.grad_cam:grad_cam", "np.tensordot(weight, A, axes=1)", "(gradient * A).sum(0)", GRAD_CAM, (1,)),
    Bug("gradients summed",
        "inspect.grad_cam:grad_cam", "gradient.mean(", "gradient.sum(", GRAD_CAM, (1,)),
    Bug("weights and maps of two layers",
        "inspect.grad_cam:_last_maps", "reversed(outputs.values())", "outputs.values()", LAYER),
    Bug("a convolution to one cell counted",
        "inspect.grad_cam:_last_maps", "if size != (1, 1)", "", LAYER),
    Bug("the last map of any size",
        "inspect.grad_cam:_last_maps", "output.shape[2:] == sizes[-1]", "output.shape[2:] != (1, 1)", LAYER),
    Bug("the first output of a module that runs twice",
        "inspect.grad_cam:grad_cam", "outputs.pop(module, None)", "if module in outputs: return",
        maps.test_a_module_that_runs_twice_shows_its_last_output),
    Bug("corners of the enlarged map aligned",
        "data.transforms:resampling", "(np.arange(new) + 0.5) * scale - 0.5", "np.arange(new) * (old - 1) / (new - 1)",
        maps.test_enlarged_equals_pytorch_and_keeps_a_plane_of_one_value, ((3, 4), (9, 8))),
    Bug("enlarged to the transposed size",
        "inspect.grad_cam:enlarged", 'pair("enlarged", "size", size)', 'pair("enlarged", "size", size)[::-1]',
        maps.test_enlarged_equals_pytorch_and_keeps_a_plane_of_one_value, ((3, 4), (9, 8))),
    Bug("a rise taken for a drop",
        "inspect.occlusion:occlusion", "whole - np.concatenate(parts)", "np.concatenate(parts) - whole",
        COVER, (3, 1, 0.0)),
    Bug("scores in place of probabilities",
        "inspect.occlusion:_probability", "F.softmax(scores)", "scores", COVER, (3, 1, 0.0)),
    Bug("one channel covered",
        "inspect.occlusion:occlusion", "copy[:, top", "copy[0, top", COVER, ((4, 3), (2, 3), (0.5, -2.0)),
        (AssertionError, ValueError)),
    Bug("strides across and down swapped",
        "inspect.occlusion:occlusion", "(p * down, q * across)", "(p * across, q * down)",
        COVER, ((4, 3), (2, 3), (0.5, -2.0))),
    Bug("window turned",
        "inspect.occlusion:occlusion", "top : top + R, left : left + S", "top : top + S, left : left + R",
        COVER, ((4, 3), (2, 3), (0.5, -2.0))),
    Bug("column by column",
        "inspect.occlusion:occlusion", "for p in range(P) for q in range(Q)", "for q in range(Q) for p in range(P)",
        COVER, (3, 1, 0.0)),
    Bug("covers pile up",
        "inspect.occlusion:occlusion", " = cover.reshape", " = x[0, :, top : top + R, left : left + S] = cover.reshape",
        BATCH, (5,)),
    Bug("the last of each batch lost",
        "inspect.occlusion:occlusion", "cells[first : first + BATCH]", "cells[first : first + BATCH - 1]",
        BATCH, (5,), (AssertionError, ValueError)),
    Bug("the likeliest class of the covered image",
        "inspect.occlusion:_probability", ".data[:, index]", ".data.max(axis=1)",
        maps.test_the_class_stays_that_of_the_whole_image),
]

RANDOMISATION = [
    Bug("the model itself forgets",
        "inspect.randomisation:cascading_randomisation", "forgetful = deepcopy(model)", "forgetful = model",
        UNTOUCHED, ("chain", "randomisation_test")),
    Bug("one copy for all",
        "inspect.randomisation:cascading_randomisation", "yield layer, deepcopy(forgetful)", "yield layer, forgetful",
        FORGET, ("chain", ("9", "4", "3", "0"))),
    Bug("from the first layer on",
        "inspect.randomisation:cascading_randomisation", "reversed(layers.items())", "layers.items()",
        FORGET, ("chain", ("9", "4", "3", "0"))),
    Bug("one layer at a time",
        "inspect.randomisation:cascading_randomisation", "yield layer, deepcopy(forgetful)",
        "yield layer, deepcopy(forgetful); forgetful.load_state_dict(model.state_dict())",
        FORGET, ("residual", ("head", "norm", "conv", "stem"))),
    Bug("biases remembered",
        "inspect.randomisation:cascading_randomisation", "(parameters[name] for name in names)",
        "(parameters[name] for name in names[:1])", FORGET, ("chain", ("9", "4", "3", "0"))),
    Bug("all layers shuffled each time",
        "inspect.randomisation:cascading_randomisation", "for name in names)", "for name in parameters)",
        FORGET, ("chain", ("9", "4", "3", "0"))),
    Bug("the seed passed over",
        "inspect.randomisation:cascading_randomisation", "default_rng(seed)", "default_rng(0)",
        randomisation.test_the_seed_decides_and_the_engine_draws_nothing),
    Bug("equal values ranked by chance",
        "inspect.randomisation:_centred_ranks", " - (counts - 1) / 2", "",
        randomisation.test_similarity_is_the_correlation_of_ranks_counted_one_by_one, (2,)),
    Bug("values in place of ranks",
        "inspect.randomisation:_centred_ranks", "ranks[group] - (values.size + 1) / 2",
        "np.abs(values).ravel() - np.abs(values).mean()", randomisation.test_similarity_of_a_worked_example),
    Bug("signs ranked",
        "inspect.randomisation:_centred_ranks", "np.abs(values)", "values",
        randomisation.test_similarity_knows_order_alone_and_no_sign),
    Bug("each copy asked for its own favourite",
        "inspect.randomisation:randomisation_test", "(forgetful, image, target)", "(forgetful, image, None)",
        randomisation.test_each_map_is_of_one_class_and_of_its_own_model),
    Bug("the map compared with itself",
        "inspect.randomisation:randomisation_test", "method(forgetful, image, target)", "method(model, image, target)",
        randomisation.test_each_map_is_of_one_class_and_of_its_own_model),
]

LEFT_AS_IT_WAS = [
    Bug("gradients of the parameters filled",
        "inspect.scores:undisturbed", "model.requires_grad_(False)", "pass", UNTOUCHED, ("chain", "saliency")),
    Bug("frozen parameters thawed",
        "inspect.scores:undisturbed", "requires_grad = requires_grad", "requires_grad = True",
        UNTOUCHED, ("residual", "grad_cam")),
    Bug("parameters left frozen after an error",
        "inspect.scores:undisturbed", "finally:", "except ZeroDivisionError:\n            pass\n        else:",
        UNTOUCHED, ("chain", "guided_backprop")),
    Bug("modes left as they are",
        "inspect.scores:undisturbed", "with evaluating(model):\n        model.requires_grad_(False)",
        "model.eval()\n    if model.requires_grad_(False):", UNTOUCHED, ("chain", "saliency")),
    Bug("dropout and batch statistics while looked at",
        "inspect.scores:undisturbed", "model.requires_grad_(False)", "model.requires_grad_(False).train()",
        SCORE, ("residual", 0)),
]
# fmt: on


@rows(GRADIENTS + MAPS + RANDOMISATION + LEFT_AS_IT_WAS)
def test_a_planted_bug_is_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ReLU, "backward", ReLU.backward)  # put back after the bug that writes to it
    assert_caught(bug, monkeypatch)
