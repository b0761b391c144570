"""A model in a form that numpy, OpenCV and OpenVINO run, without torch and mmdet."""
