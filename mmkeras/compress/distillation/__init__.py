"""Knowledge distillation: a student is trained on a teacher's outputs."""
