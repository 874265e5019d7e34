"""Apps: thin Streamlit scripts over finished runs and shipped models."""
