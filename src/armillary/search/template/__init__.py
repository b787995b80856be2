"""Scores of transit candidates by a smooth template (search.template_score)."""
