"""Values and words that everything else shares: requests, results, errors, limits, URLs. Imports nothing of ours."""
