"""Photos without labels: the ensemble of all folds, bundles to carry away, local calibration.

What may live here: everything between trained folds and predictions of photos that nobody weighed.
Nothing is trained on all photos here and no score of the headline is computed.
"""
