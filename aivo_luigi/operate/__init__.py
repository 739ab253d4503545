"""What the command aivo-etl does with the tasks: plan them, run them and watch. Every run goes through luigi.build."""
