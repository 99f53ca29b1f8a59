"""Episodes as rosbag2 MCAP bags: recorder, inspection, conversion to training datasets, and videos."""
