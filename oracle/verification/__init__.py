"""Truth from answers: arrays in, arrays out. Fit a model (`infer`), then speak through the decision of record (`record`)."""
