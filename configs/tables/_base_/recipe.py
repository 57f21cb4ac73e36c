# What every row of the tables changes one thing of. Another recipe, for all of
# them: tools/run_table.py --base CONFIG.
_base_ = '{{$TABLES_BASE:../../llm_mde_three_splits.py}}'
