"""What was found: queries of the store, summaries, and the HTML report.

Consumes the documents of all stages from a job store; produces tables and pages.
"""

from disolyte.results.query import Results
from disolyte.results.summary import CompositionSummary, summarise

__all__ = ["CompositionSummary", "Results", "summarise"]
