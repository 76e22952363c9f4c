"""Whatever can sample the workload, one file each. All take and give the same, so that none is favoured."""
