import shutil
import subprocess


class Pipeline:
    def convert(self, name):
        subprocess.run(["demo-converter", "--in", name, "--out", "out.bin"], check=True)

    def clean(self):
        shutil.rmtree("/opt/demo/models")
