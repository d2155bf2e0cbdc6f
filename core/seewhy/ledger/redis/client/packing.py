"""Packed texts: the JSON of a job and of its result in the record of an ended job.

A packed text is `z1:` and the Base64 of a raw DEFLATE stream (RFC 1951) with `_DICTIONARY` as its
preset dictionary, so that what all jobs share takes no space. Other texts are not packed. The
dictionary is part of the stored format: another one needs another prefix.
"""

import base64
import zlib

PREFIX = "z1:"

_DICTIONARY = (
    b'"verdict":"all_negative","verdict":"zero_gradient","verdict":"constant","rivals":[{"index":'
    b'"trust":{"insertion":0.,"deletion":0.,"drop":0.,"increase":true,"times_better_than_chance":0.,'
    b'"pointing_hit":true,"energy_in_box":0.},"regions":[{"box":{"x":0.0,"y":0.0,"width":0.0,'
    b'"height":0.0},"area_px":0,"peak":{"x":0.0,"y":0.0},"score":1.0,"share":0.}]'
    b'"score":"probability","preset":"classic","normalize":"target","outputs":["trust","regions"]'
    b'"method":"hirescam","method":"layercam","method":"scorecam","method":"eigencam",'
    b'{"model":"vgg16","method":"gradcam++","other_methods":[],"targets":[-1],"layers":[],'
    b'"other_layers":[],"fallback":[],"score":"logit","preset":null,"normalize":"image",'
    b'"threshold":0.15,"outputs":["overlay"],"box":null,"image_key":"images/","image_width_px":,'
    b'"image_height_px":,"metadata":{}}'
    b'{"model_digest":"","method":"gradcam","tried":["gradcam"],"score":"logit",'
    b'"layer":"block5_conv3","linear":true,"targets":[{"score":{"index":0,"label":"","logit":,'
    b'"probability":0.0},"verdict":"ok","minimum":-0.0,"maximum":0.0,"rivals":[],"against":false,'
    b'"trust":null,"regions":null}],"top":[{"index":0,"label":"","logit":,"probability":0.0},'
    b'{"index":],"map_height":14,"map_width":14,"covers":{"x":0.0,"y":0.0,"width":224.0,'
    b'"height":224.0},"image_width_px":,"image_height_px":,"other_maps":[],'
    b'"body":"cached","body":"computed",'
    b'"timings_ms":{"device_wait":0.0,"explain":,"prepare":,"render":,"store":},'
    b'"versions":{"seewhy":"","keras":"","tensorflow":""},"model":"efficientnet-lite0",'
    b'"objects":{"map":"results//1/map.npy","overlay":"results//1/overlay.jpg",'
    b'"result":"results//1/result.json"},"digests":{"map":"","overlay":""}}'
)
_RAW = -zlib.MAX_WBITS


def pack(text: str) -> str:
    """Return a packed text."""
    stream = zlib.compressobj(level=9, wbits=_RAW, zdict=_DICTIONARY)
    body = stream.compress(text.encode()) + stream.flush()
    return PREFIX + base64.b64encode(body).decode()


def unpack(text: str) -> str:
    """Return the text that was packed; a text without the prefix is returned as it is."""
    if not text.startswith(PREFIX):
        return text
    stream = zlib.decompressobj(wbits=_RAW, zdict=_DICTIONARY)
    body = stream.decompress(base64.b64decode(text.removeprefix(PREFIX)))
    return (body + stream.flush()).decode()
