<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh" sourcelanguage="en">
    <context>
        <name>AccuracySection</name>
        <message>
            <source>7  Accuracy</source>
            <translation>7  精度</translation>
        </message>
        <message>
            <source>Overall: share of the reference pixels that are mapped right; average: mean of the producer's accuracies; κ: Cohen's kappa, 1 at most</source>
            <translation>总体：制图正确的参考像元所占比例；平均：各类生产者精度的均值；κ：Cohen kappa 系数，最大为 1</translation>
        </message>
        <message>
            <source>How the pixels that were compared are held apart</source>
            <translation>参与比较的像元如何隔开</translation>
        </message>
        <message>
            <source>Producer's accuracy: share of a class's reference pixels that are mapped as it; user's accuracy: share of the pixels mapped as it that are it; F1: their harmonic mean</source>
            <translation>生产者精度：某类参考像元中被正确归入该类的比例；用户精度：归入某类的像元中确属该类的比例；F1：两者的调和平均</translation>
        </message>
        <message>
            <source>The same pixels by methods that see spectra only</source>
            <translation>仅用光谱的方法在相同像元上的结果</translation>
        </message>
        <message>
            <source>No reference polygons</source>
            <translation>无参考多边形</translation>
        </message>
        <message>
            <source>Polygons of known class that did not train the map; by their class field</source>
            <translation>类别已知且未参与训练的多边形；取其类别字段</translation>
        </message>
        <message>
            <source>R&amp;eference</source>
            <translation>参考(&amp;E)</translation>
        </message>
        <message>
            <source>&amp;Assess</source>
            <translation>评估(&amp;A)</translation>
        </message>
        <message>
            <source>Ope&amp;n Report</source>
            <translation>打开报告(&amp;N)</translation>
        </message>
        <message>
            <source>Doubtful Polygons</source>
            <translation>存疑多边形</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>Map the scene first.</source>
            <translation>请先对影像制图。</translation>
        </message>
        <message>
            <source>Choose reference polygons.</source>
            <translation>请选择参考多边形。</translation>
        </message>
        <message>
            <source>Compare the class map with the reference and write a report</source>
            <translation>将类别图与参考比较并写出报告</translation>
        </message>
        <message>
            <source>Not among the map's classes, so counted as wrong: {}</source>
            <translation>不在地图类别之中，因此按错误计：{}</translation>
        </message>
        <message>
            <source>Show the training polygons that the others call another class</source>
            <translation>显示被其他多边形判为另一类别的训练多边形</translation>
        </message>
        <message>
            <source>Choose the stack under More and map: it tells which ones they are.</source>
            <translation>请在“更多”下选择堆叠并制图：它会指出是哪些多边形。</translation>
        </message>
        <message>
            <source>Comparing the map with the reference…</source>
            <translation>正在将地图与参考比较…</translation>
        </message>
        <message>
            <source>Overall accuracy {} on {} reference pixels</source>
            <translation>总体精度 {}，基于 {} 个参考像元</translation>
        </message>
        <message>
            <source>No polygons were held out; choose reference polygons.</source>
            <translation>没有预留多边形；请选择参考多边形。</translation>
        </message>
        <message>
            <source>Open the full report in the browser</source>
            <translation>在浏览器中打开完整报告</translation>
        </message>
        <message>
            <source>Write the report of the held-out polygons and open it</source>
            <translation>写出预留多边形的报告并打开</translation>
        </message>
        <message>
            <source>There is no accuracy yet: map the scene.</source>
            <translation>尚无精度：请对影像制图。</translation>
        </message>
        <message>
            <source>Overall &lt;b&gt;{}&lt;/b&gt; · average &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</source>
            <translation>总体 &lt;b&gt;{}&lt;/b&gt; · 平均 &lt;b&gt;{}&lt;/b&gt; · κ &lt;b&gt;{}&lt;/b&gt;</translation>
        </message>
        <message>
            <source>Spectra alone, same pixels:</source>
            <translation>仅光谱，相同像元：</translation>
        </message>
        <message>
            <source>No spectral baseline was computed.</source>
            <translation>未计算光谱基线。</translation>
        </message>
        <message>
            <source>Producer's</source>
            <translation>生产者精度</translation>
        </message>
        <message>
            <source>User's</source>
            <translation>用户精度</translation>
        </message>
        <message>
            <source>F1</source>
            <translation>F1</translation>
        </message>
        <message>
            <source>Assessing the map</source>
            <translation>正在评估地图</translation>
        </message>
        <message>
            <source>The report cannot be opened; it is {}.</source>
            <translation>无法打开报告；报告位于 {}。</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>存疑多边形</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>无法将 {} 作为矢量图层打开。</translation>
        </message>
        <message>
            <source>Polygons that disagree with their class: {}; the layer's table tells which class they fit.</source>
            <translation>与自身类别不符的多边形：{}；图层属性表列出其相符的类别。</translation>
        </message>
        <message>
            <source>No polygon disagrees with its class.</source>
            <translation>没有与自身类别不符的多边形。</translation>
        </message>
    </context>
    <context>
        <name>AreaFiles</name>
        <message>
            <source>From File…</source>
            <translation>从文件…</translation>
        </message>
        <message>
            <source>Polygons, a label raster, SCP's .scpx, or ENVI's ROIs (.xml, .roi as text)</source>
            <translation>多边形、标签栅格、SCP 的 .scpx 或 ENVI 的 ROI（.xml，或文本格式的 .roi）</translation>
        </message>
        <message>
            <source>Export Training Pixels…</source>
            <translation>导出训练像元…</translation>
        </message>
        <message>
            <source>Each pixel with its class and band values: GeoPackage and CSV</source>
            <translation>每个像元及其类别和波段值：GeoPackage 和 CSV</translation>
        </message>
        <message>
            <source>Take Polygons from a File</source>
            <translation>从文件取得多边形</translation>
        </message>
        <message>
            <source>Training areas</source>
            <translation>训练区</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>所有文件</translation>
        </message>
        <message>
            <source>{} has several layers; add the one that is meant to the project.</source>
            <translation>{} 含多个图层；请将所需的图层添加到工程。</translation>
        </message>
        <message>
            <source>{} holds neither polygons nor a raster of class numbers.</source>
            <translation>{} 既不含多边形，也不是类别编号的栅格。</translation>
        </message>
    </context>
    <context>
        <name>Attached</name>
        <message>
            <source>The job in {} was never begun.</source>
            <translation>{} 中的任务从未开始。</translation>
        </message>
    </context>
    <context>
        <name>BetterBaseline</name>
        <message>
            <source>Map with That One</source>
            <translation>用它制图</translation>
        </message>
        <message>
            <source>Choose it in the Map section and map the scene again</source>
            <translation>在“地图”部分选择它并重新制图</translation>
        </message>
        <message>
            <source>A simpler classifier did clearly better: {}, overall accuracy {} against {}.</source>
            <translation>更简单的分类器明显更好：{}，总体精度 {}，当前为 {}。</translation>
        </message>
    </context>
    <context>
        <name>ClassSchemes</name>
        <message>
            <source>Class schemes (*.csv *.qml)</source>
            <translation>类别方案 (*.csv *.qml)</translation>
        </message>
        <message>
            <source>Load a Class Scheme…</source>
            <translation>加载类别方案…</translation>
        </message>
        <message>
            <source>Classes from a CSV (value, name, colour) or a style (QML)</source>
            <translation>从 CSV（值、名称、颜色）或样式（QML）加载类别</translation>
        </message>
        <message>
            <source>Save the Class Scheme…</source>
            <translation>保存类别方案…</translation>
        </message>
        <message>
            <source>The classes as a CSV (value, name, colour) or a style (QML)</source>
            <translation>将类别保存为 CSV（值、名称、颜色）或样式（QML）</translation>
        </message>
        <message>
            <source>Load a Class Scheme</source>
            <translation>加载类别方案</translation>
        </message>
        <message>
            <source>{} classes were loaded from {}.</source>
            <translation>已加载 {} 个类别，来自 {}。</translation>
        </message>
        <message>
            <source>Of another number than in the file: {}.</source>
            <translation>编号与文件中不同：{}。</translation>
        </message>
        <message>
            <source>Save the Class Scheme</source>
            <translation>保存类别方案</translation>
        </message>
        <message>
            <source>The classes were saved to {}.</source>
            <translation>类别已保存到 {}。</translation>
        </message>
    </context>
    <context>
        <name>ClassesSection</name>
        <message>
            <source>3  Classes</source>
            <translation>3  类别</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>名称</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>多边形</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>像元</translation>
        </message>
        <message>
            <source>Double-click a name or a colour to change it; the selected class is drawn</source>
            <translation>双击名称或颜色可修改；绘制所选的类别</translation>
        </message>
        <message>
            <source>From &amp;Layer</source>
            <translation>来自图层(&amp;L)</translation>
        </message>
        <message>
            <source>Give the selected polygons this class</source>
            <translation>将所选多边形归入此类别</translation>
        </message>
        <message>
            <source>Class {}; double-click to recolour</source>
            <translation>类别 {}；双击可更改颜色</translation>
        </message>
        <message>
            <source>{} (key {})</source>
            <translation>{}（按键 {}）</translation>
        </message>
        <message>
            <source>Spectra of a library: {}</source>
            <translation>光谱库的光谱：{}</translation>
        </message>
        <message>
            <source>Too few: at least {} pixels are needed</source>
            <translation>太少：至少需要 {} 个像元</translation>
        </message>
        <message>
            <source>Few: draw some more, {} pixels or so</source>
            <translation>偏少：请再画一些，约 {} 个像元</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>Reading the layer…</source>
            <translation>正在读取图层…</translation>
        </message>
        <message>
            <source>Add a class, or take classes from a layer.</source>
            <translation>请添加类别，或从图层取得类别。</translation>
        </message>
        <message>
            <source>One class; add a second one.</source>
            <translation>只有一个类别；请添加第二个。</translation>
        </message>
        <message>
            <source>Too few pixels: {}</source>
            <translation>像元太少：{}</translation>
        </message>
        <message>
            <source>{} classes, {} pixels</source>
            <translation>{} 个类别，{} 个像元</translation>
        </message>
        <message>
            <source>from a library alone: {}</source>
            <translation>仅来自光谱库：{}</translation>
        </message>
        <message>
            <source>{} are in two classes: the later polygon counts</source>
            <translation>{} 个属于两个类别：以较后的多边形为准</translation>
        </message>
        <message>
            <source>{} outside the scene or without data</source>
            <translation>{}在影像之外或无数据</translation>
        </message>
        <message>
            <source>{} without a class</source>
            <translation>{}没有类别</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>请等待图层读取完毕。</translation>
        </message>
        <message>
            <source>Select two or more classes (Ctrl and click).</source>
            <translation>请选择两个或更多类别（Ctrl 加单击）。</translation>
        </message>
        <message>
            <source>Select a class.</source>
            <translation>请选择一个类别。</translation>
        </message>
        <message>
            <source>Add a class</source>
            <translation>添加类别</translation>
        </message>
        <message>
            <source>Merge the selected classes into the first</source>
            <translation>将所选类别合并到第一个</translation>
        </message>
        <message>
            <source>Delete the selected classes and their polygons</source>
            <translation>删除所选类别及其多边形</translation>
        </message>
        <message>
            <source>Take classes and polygons from a polygon layer or a label raster</source>
            <translation>从多边形图层或标签栅格取得类别和多边形</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>请先选择多边形。</translation>
        </message>
        <message>
            <source>Deleted {} with all polygons; Undo brings them back.</source>
            <translation>已删除 {} 及其所有多边形；“撤销”可恢复。</translation>
        </message>
        <message>
            <source>There is a class '{}' already; merge the two instead.</source>
            <translation>已有类别“{}”；请将两者合并。</translation>
        </message>
        <message>
            <source>Colour of {}</source>
            <translation>{} 的颜色</translation>
        </message>
        <message>
            <source>No polygon layer or label raster in the project</source>
            <translation>工程中没有多边形图层或标签栅格</translation>
        </message>
        <message>
            <source>{} taken from {}.</source>
            <translation>{} 取自 {}。</translation>
        </message>
    </context>
    <context>
        <name>Comparison</name>
        <message>
            <source>Flic&amp;ker</source>
            <translation>闪烁(&amp;K)</translation>
        </message>
        <message>
            <source>Swipe</source>
            <translation>卷帘</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>请先“影像制图”。</translation>
        </message>
        <message>
            <source>Show the map and the scene in turn</source>
            <translation>交替显示地图和影像</translation>
        </message>
        <message>
            <source>A line in the map window parts the map from the scene</source>
            <translation>在地图窗口中用一条线分隔地图与影像</translation>
        </message>
    </context>
    <context>
        <name>Engine</name>
        <message>
            <source>MTMSD Engine</source>
            <translation>MTMSD 引擎</translation>
        </message>
    </context>
    <context>
        <name>EngineFacts</name>
        <message>
            <source>State</source>
            <translation>状态</translation>
        </message>
        <message>
            <source>Ready, outdated, broken or being checked</source>
            <translation>就绪、过期、损坏或检查中</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>The version of plugin and engine</source>
            <translation>插件和引擎的版本</translation>
        </message>
        <message>
            <source>Python</source>
            <translation>Python</translation>
        </message>
        <message>
            <source>The engine's interpreter</source>
            <translation>引擎的解释器</translation>
        </message>
        <message>
            <source>PyTorch</source>
            <translation>PyTorch</translation>
        </message>
        <message>
            <source>The library that learns</source>
            <translation>学习所用的库</translation>
        </message>
        <message>
            <source>Devices</source>
            <translation>设备</translation>
        </message>
        <message>
            <source>What computes, and its free memory</source>
            <translation>进行计算的设备及其可用内存</translation>
        </message>
        <message>
            <source>not looked at yet: Verify tells</source>
            <translation>尚未检查：请单击“验证”</translation>
        </message>
        <message>
            <source>none; ONNX Runtime {}, which classifies only</source>
            <translation>无；ONNX Runtime {}，仅能分类</translation>
        </message>
        <message>
            <source>{} does not compute: {}</source>
            <translation>{} 无法计算：{}</translation>
        </message>
        <message>
            <source>{}: {} free</source>
            <translation>{}：可用 {}</translation>
        </message>
    </context>
    <context>
        <name>EnginePanel</name>
        <message>
            <source>Set Up Engine…</source>
            <translation>安装引擎…</translation>
        </message>
        <message>
            <source>Says what is installed, from where and how large, before anything is done</source>
            <translation>在执行之前说明安装什么、来自何处、多大</translation>
        </message>
        <message>
            <source>Choose Interpreter…</source>
            <translation>选择解释器…</translation>
        </message>
        <message>
            <source>The python program of an environment that has the engine's libraries already</source>
            <translation>已含引擎所需库的环境中的 python 程序</translation>
        </message>
        <message>
            <source>&amp;Verify</source>
            <translation>验证(&amp;V)</translation>
        </message>
        <message>
            <source>Start the engine: imports, a computation on each device, a raster</source>
            <translation>启动引擎：导入、在每个设备上计算、读写栅格</translation>
        </message>
        <message>
            <source>&amp;Update…</source>
            <translation>更新(&amp;U)…</translation>
        </message>
        <message>
            <source>Set the engine up anew; the old one stays until the new one works</source>
            <translation>重新安装引擎；旧的保留到新的可用为止</translation>
        </message>
        <message>
            <source>&amp;Remove…</source>
            <translation>移除(&amp;R)…</translation>
        </message>
        <message>
            <source>Delete the engine's environment; models and maps stay</source>
            <translation>删除引擎的环境；模型和地图保留</translation>
        </message>
        <message>
            <source>Copy &amp;Diagnostics</source>
            <translation>复制诊断信息(&amp;D)</translation>
        </message>
        <message>
            <source>Put one text on the clipboard that tells a helper all; without names</source>
            <translation>将一段完整说明放到剪贴板供求助之用；不含姓名</translation>
        </message>
        <message>
            <source>More</source>
            <translation>更多</translation>
        </message>
        <message>
            <source>Verify, update or remove the engine; copy diagnostics</source>
            <translation>验证、更新或移除引擎；复制诊断信息</translation>
        </message>
        <message>
            <source>The engine is being set up; QGIS can be used meanwhile.</source>
            <translation>正在安装引擎；期间可继续使用 QGIS。</translation>
        </message>
        <message>
            <source>Show Set-Up…</source>
            <translation>显示安装过程…</translation>
        </message>
        <message>
            <source>The engine is started: this takes up to a minute…</source>
            <translation>正在启动引擎：最多需要一分钟…</translation>
        </message>
        <message>
            <source>Verified: the engine computes, and reads and writes rasters.</source>
            <translation>已验证：引擎可以计算并读写栅格。</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>请等待引擎安装完毕。</translation>
        </message>
        <message>
            <source>Wait until the engine is removed.</source>
            <translation>请等待引擎移除完毕。</translation>
        </message>
        <message>
            <source>Wait for the check.</source>
            <translation>请等待检查。</translation>
        </message>
        <message>
            <source>There is no engine yet.</source>
            <translation>尚无引擎。</translation>
        </message>
        <message>
            <source>There is no engine that was set up here.</source>
            <translation>没有在此安装的引擎。</translation>
        </message>
        <message>
            <source>Choose the Engine's Python</source>
            <translation>选择引擎的 Python</translation>
        </message>
        <message>
            <source>Remove the Engine</source>
            <translation>移除引擎</translation>
        </message>
        <message>
            <source>Delete the engine's environment in {}?</source>
            <translation>删除 {} 中的引擎环境？</translation>
        </message>
        <message>
            <source>Models, maps and jobs stay.</source>
            <translation>模型、地图和任务会保留。</translation>
        </message>
        <message>
            <source>&amp;Remove</source>
            <translation>移除(&amp;R)</translation>
        </message>
        <message>
            <source>&amp;Keep</source>
            <translation>保留(&amp;K)</translation>
        </message>
        <message>
            <source>Looking at the machine…</source>
            <translation>正在查看本机…</translation>
        </message>
        <message>
            <source>Copied: paste it into your report.</source>
            <translation>已复制：请粘贴到您的报告中。</translation>
        </message>
    </context>
    <context>
        <name>EngineSection</name>
        <message>
            <source>Engine</source>
            <translation>引擎</translation>
        </message>
        <message>
            <source>Being set up</source>
            <translation>正在安装</translation>
        </message>
    </context>
    <context>
        <name>Facts</name>
        <message>
            <source>The engine cannot be started: {}.</source>
            <translation>无法启动引擎：{}。</translation>
        </message>
        <message>
            <source>The engine said nothing about the raster.</source>
            <translation>引擎没有给出栅格的信息。</translation>
        </message>
    </context>
    <context>
        <name>FirstSteps</name>
        <message>
            <source>First steps</source>
            <translation>入门步骤</translation>
        </message>
        <message>
            <source>Close this card for good</source>
            <translation>不再显示此卡片</translation>
        </message>
        <message>
            <source>Try the Sample Scene</source>
            <translation>试用示例影像</translation>
        </message>
        <message>
            <source>Open the scene that comes along, with classes and polygons, as a project</source>
            <translation>以工程形式打开自带的影像，含类别和多边形</translation>
        </message>
        <message>
            <source>Tutorial</source>
            <translation>教程</translation>
        </message>
        <message>
            <source>From the sample to a map, step by step, in the browser</source>
            <translation>在浏览器中逐步了解从示例到地图的过程</translation>
        </message>
        <message>
            <source>Go to this section</source>
            <translation>转到此部分</translation>
        </message>
        <message>
            <source>Nothing waits for you.</source>
            <translation>没有待办事项。</translation>
        </message>
        <message>
            <source>Next, {}: {}</source>
            <translation>下一步（{}）：{}</translation>
        </message>
    </context>
    <context>
        <name>ImportDialog</name>
        <message>
            <source>Take Polygons from {}</source>
            <translation>从 {} 取得多边形</translation>
        </message>
        <message>
            <source>Numbers or names of the classes</source>
            <translation>类别的编号或名称</translation>
        </message>
        <message>
            <source>The field {} was guessed by its name.</source>
            <translation>字段 {} 是根据名称推测的。</translation>
        </message>
        <message>
            <source>Class &amp;field</source>
            <translation>类别字段(&amp;F)</translation>
        </message>
        <message>
            <source>In the layer</source>
            <translation>图层中</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>多边形</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>像元</translation>
        </message>
        <message>
            <source>Becomes</source>
            <translation>变为</translation>
        </message>
        <message>
            <source>&amp;Merge names that differ in capitals or blanks only</source>
            <translation>合并仅大小写或空格不同的名称(&amp;M)</translation>
        </message>
        <message>
            <source>&amp;Take Polygons</source>
            <translation>取得多边形(&amp;T)</translation>
        </message>
        <message>
            <source>Choose the field that holds the classes.</source>
            <translation>请选择含类别的字段。</translation>
        </message>
        <message>
            <source>Reading…</source>
            <translation>正在读取…</translation>
        </message>
    </context>
    <context>
        <name>JobsSection</name>
        <message>
            <source>8  Jobs</source>
            <translation>8  任务</translation>
        </message>
        <message>
            <source>Job</source>
            <translation>任务</translation>
        </message>
        <message>
            <source>Started</source>
            <translation>开始时间</translation>
        </message>
        <message>
            <source>State</source>
            <translation>状态</translation>
        </message>
        <message>
            <source>The newest jobs; each has a folder with its log</source>
            <translation>最新的任务；每个都有一个含日志的文件夹</translation>
        </message>
        <message>
            <source>S&amp;how Log…</source>
            <translation>显示日志(&amp;H)…</translation>
        </message>
        <message>
            <source>&amp;Job Folder</source>
            <translation>任务文件夹(&amp;J)</translation>
        </message>
        <message>
            <source>Cancel Job…</source>
            <translation>取消任务…</translation>
        </message>
        <message>
            <source>{} running</source>
            <translation>{} 个运行中</translation>
        </message>
        <message>
            <source>None running; {ended} ended, the last with {warnings}</source>
            <translation>无运行中的任务；{ended} 个已结束，最近一个有{warnings}</translation>
        </message>
        <message>
            <source>None running; {} ended</source>
            <translation>无运行；{} 个已结束</translation>
        </message>
        <message>
            <source>No jobs yet.</source>
            <translation>尚无任务。</translation>
        </message>
        <message>
            <source>running</source>
            <translation>运行中</translation>
        </message>
        <message>
            <source>done</source>
            <translation>完成</translation>
        </message>
        <message>
            <source>canceled</source>
            <translation>已取消</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>失败</translation>
        </message>
        <message>
            <source>Select a job.</source>
            <translation>请选择一个任务。</translation>
        </message>
        <message>
            <source>Show what the job said</source>
            <translation>显示任务的输出</translation>
        </message>
        <message>
            <source>Open the job's folder</source>
            <translation>打开任务的文件夹</translation>
        </message>
        <message>
            <source>The job does not run any more.</source>
            <translation>该任务已不在运行。</translation>
        </message>
        <message>
            <source>Stop this job</source>
            <translation>停止此任务</translation>
        </message>
        <message>
            <source>Log of {}</source>
            <translation>{} 的日志</translation>
        </message>
        <message>
            <source>Job of Another QGIS</source>
            <translation>另一个 QGIS 的任务</translation>
        </message>
        <message>
            <source>Whoever started it waits for its result.</source>
            <translation>启动它的人正在等待结果。</translation>
        </message>
        <message>
            <source>Cancel Their Job</source>
            <translation>仍然取消该任务</translation>
        </message>
        <message>
            <source>Let It Go On</source>
            <translation>让它继续</translation>
        </message>
    </context>
    <context>
        <name>LabelPoints</name>
        <message>
            <source>The two classes that are in doubt there</source>
            <translation>该处难以区分的两个类别</translation>
        </message>
        <message>
            <source>Label It</source>
            <translation>标注</translation>
        </message>
        <message>
            <source>Give this pixel a class, as a training polygon</source>
            <translation>将此像元作为训练多边形归入一个类别</translation>
        </message>
        <message>
            <source>Next Point</source>
            <translation>下一个点</translation>
        </message>
        <message>
            <source>Leave this one and go to the next</source>
            <translation>跳过此点，转到下一个</translation>
        </message>
        <message>
            <source>Zoom to It</source>
            <translation>缩放至此</translation>
        </message>
        <message>
            <source>Show the point in the middle of the map window</source>
            <translation>在地图窗口中央显示该点</translation>
        </message>
        <message>
            <source>See-through map</source>
            <translation>半透明地图</translation>
        </message>
        <message>
            <source>The scene shines through the map while the points are visited</source>
            <translation>逐点查看时，影像透过地图显现</translation>
        </message>
        <message>
            <source>Point {} of {}: {} or {}?</source>
            <translation>第 {} 点，共 {}：{} 还是 {}？</translation>
        </message>
        <message>
            <source>That was the last point. Map anew to see what it gained.</source>
            <translation>这是最后一点。请重新制图以查看改进。</translation>
        </message>
        <message>
            <source>The point cannot be brought into the map window's coordinates.</source>
            <translation>无法将该点转换到地图窗口的坐标。</translation>
        </message>
    </context>
    <context>
        <name>LabellingKeys</name>
        <message>
            <source>MTMSD: take class {} of the table</source>
            <translation>MTMSD：选用表中的类别 {}</translation>
        </message>
        <message>
            <source>MTMSD: {}</source>
            <translation>MTMSD：{}</translation>
        </message>
        <message>
            <source>draw a polygon</source>
            <translation>绘制多边形</translation>
        </message>
        <message>
            <source>draw a rectangle</source>
            <translation>绘制矩形</translation>
        </message>
        <message>
            <source>draw freehand</source>
            <translation>徒手绘制</translation>
        </message>
        <message>
            <source>grow a region</source>
            <translation>区域生长</translation>
        </message>
        <message>
            <source>undo a step of the training polygons</source>
            <translation>撤销训练多边形的一步操作</translation>
        </message>
        <message>
            <source>give the selected polygons the class</source>
            <translation>将所选多边形归入该类别</translation>
        </message>
        <message>
            <source>next point to label</source>
            <translation>下一个待标注的点</translation>
        </message>
        <message>
            <source>MTMSD: end the polygon or take the region</source>
            <translation>MTMSD：结束多边形或取得区域</translation>
        </message>
        <message>
            <source>MTMSD: give the point to label the class</source>
            <translation>MTMSD：将所选类别赋给待标注的点</translation>
        </message>
    </context>
    <context>
        <name>LayoutButton</name>
        <message>
            <source>Print Layout</source>
            <translation>打印布局</translation>
        </message>
        <message>
            <source>As PDF…</source>
            <translation>导出为 PDF…</translation>
        </message>
        <message>
            <source>As PNG…</source>
            <translation>导出为 PNG…</translation>
        </message>
        <message>
            <source>A page with map, legend with areas, scale, north, accuracy and attribution</source>
            <translation>含地图、带面积的图例、比例尺、指北针、精度和数据来源的页面</translation>
        </message>
        <message>
            <source>Save the Print Layout</source>
            <translation>保存打印布局</translation>
        </message>
        <message>
            <source>The page was saved to {}.</source>
            <translation>页面已保存到 {}。</translation>
        </message>
        <message>
            <source>{} cannot be written.</source>
            <translation>无法写入 {}。</translation>
        </message>
        <message>
            <source>Class map of {}</source>
            <translation>{} 的类别图</translation>
        </message>
        <message>
            <source>{} px</source>
            <translation>{} 像元</translation>
        </message>
        <message>
            <source>The accuracy of this map was not assessed.</source>
            <translation>此地图的精度未经评估。</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>总体精度 {overall}，kappa {kappa}，基于 {n} 个参考像元。</translation>
        </message>
        <message>
            <source>Data: {}</source>
            <translation>数据：{}</translation>
        </message>
        <message>
            <source>Classified by MTMSD for QGIS, {}</source>
            <translation>由 MTMSD for QGIS 分类，{}</translation>
        </message>
    </context>
    <context>
        <name>LossCurve</name>
        <message>
            <source>Loss: waiting for the first steps</source>
            <translation>损失：等待最初的步骤</translation>
        </message>
        <message>
            <source>Loss</source>
            <translation>损失</translation>
        </message>
        <message>
            <source>step {}</source>
            <translation>第 {} 步</translation>
        </message>
    </context>
    <context>
        <name>MTMSD</name>
        <message>
            <source>1 polygon</source>
            <translation>1 个多边形</translation>
        </message>
        <message numerus="yes">
            <source>%Ln polygons</source>
            <translation>
                <numerusform>%Ln 个多边形</numerusform>
            </translation>
        </message>
        <message>
            <source>1 pixel</source>
            <translation>1 个像元</translation>
        </message>
        <message numerus="yes">
            <source>%Ln pixels</source>
            <translation>
                <numerusform>%Ln 个像元</numerusform>
            </translation>
        </message>
        <message>
            <source>1 warning</source>
            <translation>1 条警告</translation>
        </message>
        <message numerus="yes">
            <source>%Ln warnings</source>
            <translation>
                <numerusform>%Ln 条警告</numerusform>
            </translation>
        </message>
        <message>
            <source>no message</source>
            <translation>无消息</translation>
        </message>
        <message>
            <source>{} could not be read: {}.</source>
            <translation>无法读取 {}：{}。</translation>
        </message>
        <message>
            <source>the plugin's setting {}</source>
            <translation>插件设置 {}</translation>
        </message>
        <message>
            <source>the environment variable {}</source>
            <translation>环境变量 {}</translation>
        </message>
        <message>
            <source>the plugin's own environment folder</source>
            <translation>插件自己的环境文件夹</translation>
        </message>
        <message>
            <source>Choose another interpreter for the engine (now named by {source}).</source>
            <translation>请为引擎选择另一个解释器（目前由{source}指定）。</translation>
        </message>
        <message>
            <source>{python} is QGIS itself, not a Python interpreter.</source>
            <translation>{python} 是 QGIS 本身，而不是 Python 解释器。</translation>
        </message>
        <message>
            <source>{python} cannot be started as the engine's Python: {reason}.</source>
            <translation>无法将 {python} 作为引擎的 Python 启动：{reason}。</translation>
        </message>
        <message>
            <source>{python} did not answer within {seconds} s.</source>
            <translation>{python} 未在 {seconds} 秒内应答。</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was looked for ({last}).</source>
            <translation>在其中查找引擎时，{python} {ended}（{last}）。</translation>
        </message>
        <message>
            <source>{python} does not answer like a Python interpreter.</source>
            <translation>{python} 的应答不像 Python 解释器。</translation>
        </message>
        <message>
            <source>{python} is Python {version}; the engine needs 3.10 or newer.</source>
            <translation>{python} 是 Python {version}；引擎需要 3.10 或更高版本。</translation>
        </message>
        <message>
            <source>The engine's Python {python} lacks {libraries}.</source>
            <translation>引擎的 Python {python} 缺少：{libraries}。</translation>
        </message>
        <message>
            <source>The MTMSD engine is not set up: there is no Python environment for it. Press Set Up Engine… in the dock, or choose an interpreter that has its libraries.</source>
            <translation>MTMSD 引擎尚未安装：没有供它使用的 Python 环境。请在面板中单击“安装引擎…”，或选择已含其所需库的解释器。</translation>
        </message>
        <message>
            <source>The engine's Python {python}, named by {source}, does not exist.</source>
            <translation>由{source}指定的引擎 Python {python} 不存在。</translation>
        </message>
        <message>
            <source>The job goes on without QGIS.</source>
            <translation>任务在没有 QGIS 的情况下继续。</translation>
        </message>
        <message>
            <source>The engine has been silent for {} s; cancel it if that stays so.</source>
            <translation>引擎已 {} 秒没有消息；若一直如此，请取消。</translation>
        </message>
        <message>
            <source>Canceled.</source>
            <translation>已取消。</translation>
        </message>
        <message>
            <source>The log is {}.</source>
            <translation>日志为 {}。</translation>
        </message>
        <message>
            <source>The engine ended without a result.</source>
            <translation>引擎结束时没有结果。</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result (perhaps memory ran out){last}.</source>
            <translation>引擎在得到结果之前{ended}（可能内存不足）{last}。</translation>
        </message>
        <message>
            <source>The engine {ended} before it had a result{last}.</source>
            <translation>引擎在得到结果之前{ended}{last}。</translation>
        </message>
        <message>
            <source>was killed ({})</source>
            <translation>被终止（{}）</translation>
        </message>
        <message>
            <source>was killed (signal {})</source>
            <translation>被终止（信号 {}）</translation>
        </message>
        <message>
            <source>crashed ({})</source>
            <translation>崩溃（{}）</translation>
        </message>
        <message>
            <source>ended with status {}</source>
            <translation>以状态 {} 结束</translation>
        </message>
        <message>
            <source>The engine was made by a newer plugin ({theirs}; this one is {ours}) and may not fit. Get the newer plugin, or press Update to build the engine for this one.</source>
            <translation>引擎由较新的插件安装（{theirs}；当前为 {ours}），可能不适用。请获取较新的插件，或单击“更新”为当前插件构建引擎。</translation>
        </message>
        <message>
            <source>The engine was set up by another version of the plugin ({theirs}; this one is {ours}) and has other packages. Press Update; it works until then.</source>
            <translation>引擎由插件的另一版本安装（{theirs}；当前为 {ours}），软件包不同。请单击“更新”；在此之前它仍可使用。</translation>
        </message>
        <message>
            <source>unknown</source>
            <translation>未知</translation>
        </message>
        <message>
            <source>First map, without the diffusion model that is there now: map once more.</source>
            <translation>首幅地图，未使用现已具备的扩散模型：请再次制图。</translation>
        </message>
        <message>
            <source>First map, without a diffusion model. How much pretraining adds here, the left-out polygons tell after it.</source>
            <translation>首幅地图，未使用扩散模型。预训练在此带来多少提升，之后由留出的多边形给出。</translation>
        </message>
        <message>
            <source>Map with the diffusion model, which has {} of the say.</source>
            <translation>使用扩散模型的地图，该模型的权重为 {}。</translation>
        </message>
        <message>
            <source>Left-out pixels that are right: {}, {} without it.</source>
            <translation>留出像元的正确率：{}，不用该模型时为 {}。</translation>
        </message>
        <message>
            <source>Diffusion model</source>
            <translation>扩散模型</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>真实边界区域</translation>
        </message>
        <message>
            <source>Method</source>
            <translation>方法</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>影像</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>波段</translation>
        </message>
        <message>
            <source>Classes</source>
            <translation>类别</translation>
        </message>
        <message>
            <source>Training pixels</source>
            <translation>训练像元</translation>
        </message>
        <message>
            <source>Accuracy</source>
            <translation>精度</translation>
        </message>
        <message>
            <source>{width} × {height} px</source>
            <translation>{width} × {height} px</translation>
        </message>
        <message>
            <source>{used} of {total}</source>
            <translation>{used} / {total}</translation>
        </message>
        <message>
            <source>Overall accuracy {overall}, kappa {kappa}, on {n} reference pixels.</source>
            <translation>总体精度 {overall}，kappa {kappa}，基于 {n} 个参考像元。</translation>
        </message>
        <message>
            <source>Classes and areas</source>
            <translation>类别与面积</translation>
        </message>
        <message>
            <source>None of the {} lies in the scene.</source>
            <translation>{}均不在影像内。</translation>
        </message>
        <message>
            <source>The layer has no polygons with a class.</source>
            <translation>该图层没有带类别的多边形。</translation>
        </message>
        <message>
            <source>Inside the scene: {}</source>
            <translation>影像之内：{}</translation>
        </message>
        <message>
            <source>Outside, not taken: {}</source>
            <translation>影像之外，未取：{}</translation>
        </message>
        <message>
            <source>Without a class or a shape, not taken: {}</source>
            <translation>没有类别或几何，未取：{}</translation>
        </message>
        <message>
            <source>In two classes: {}; the later polygon counts</source>
            <translation>属于两个类别：{}；以较后的多边形为准</translation>
        </message>
        <message>
            <source>{number} is another class here, so {name} becomes {new}.</source>
            <translation>此处 {number} 已是另一个类别，因此 {name} 改为 {new}。</translation>
        </message>
        <message>
            <source>Alike: {}</source>
            <translation>名称相近：{}</translation>
        </message>
        <message>
            <source>Choose Spectra</source>
            <translation>选择光谱</translation>
        </message>
        <message>
            <source>The engine is being checked…</source>
            <translation>正在检查引擎…</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>引擎就绪。</translation>
        </message>
        <message>
            <source>A set-up of the engine was begun and not finished; it can go on.</source>
            <translation>引擎的安装已开始但未完成；可以继续。</translation>
        </message>
        <message>
            <source>The engine does the computing, in a Python environment of its own. One click sets it up; QGIS itself stays as it is.</source>
            <translation>引擎在自己的 Python 环境中进行计算。单击一次即可安装；QGIS 本身保持不变。</translation>
        </message>
        <message>
            <source>being checked</source>
            <translation>检查中</translation>
        </message>
        <message>
            <source>ready</source>
            <translation>就绪</translation>
        </message>
        <message>
            <source>not set up</source>
            <translation>未安装</translation>
        </message>
        <message>
            <source>broken</source>
            <translation>损坏</translation>
        </message>
        <message>
            <source>outdated</source>
            <translation>过期</translation>
        </message>
        <message>
            <source>Preparing the folder</source>
            <translation>正在准备文件夹</translation>
        </message>
        <message>
            <source>Fetching the installer uv</source>
            <translation>正在下载安装工具 uv</translation>
        </message>
        <message>
            <source>Making the Python environment</source>
            <translation>正在创建 Python 环境</translation>
        </message>
        <message>
            <source>Fetching and installing the packages</source>
            <translation>正在下载并安装软件包</translation>
        </message>
        <message>
            <source>Fetching and installing PyTorch</source>
            <translation>正在下载并安装 PyTorch</translation>
        </message>
        <message>
            <source>Checking that it computes</source>
            <translation>正在检查能否计算</translation>
        </message>
        <message>
            <source>Putting it in place</source>
            <translation>正在放置到位</translation>
        </message>
        <message>
            <source>Beginning</source>
            <translation>开始</translation>
        </message>
        <message>
            <source>{}: {} of {}</source>
            <translation>{}：{} / {}</translation>
        </message>
        <message>
            <source>That place is outside the scene.</source>
            <translation>该处在影像之外。</translation>
        </message>
        <message>
            <source>That pixel has no data.</source>
            <translation>该像元没有数据。</translation>
        </message>
        <message>
            <source>Fold or unfold this section</source>
            <translation>折叠或展开此部分</translation>
        </message>
        <message>
            <source>What the engine warned of</source>
            <translation>引擎给出的警告</translation>
        </message>
        <message>
            <source>Not yet possible</source>
            <translation>尚不可行</translation>
        </message>
        <message>
            <source>Ready: this can be done now</source>
            <translation>就绪：现在可以执行</translation>
        </message>
        <message>
            <source>Running</source>
            <translation>运行中</translation>
        </message>
        <message>
            <source>Done</source>
            <translation>完成</translation>
        </message>
        <message>
            <source>Needs attention</source>
            <translation>需要注意</translation>
        </message>
        <message>
            <source>Done, with warnings</source>
            <translation>完成，但有警告</translation>
        </message>
        <message>
            <source>Jobs Are Running</source>
            <translation>任务正在运行</translation>
        </message>
        <message>
            <source>The engine is at work:</source>
            <translation>引擎正在工作：</translation>
        </message>
        <message>
            <source>A job that goes on is taken up again when QGIS is next opened.</source>
            <translation>继续运行的任务会在下次打开 QGIS 时接上。</translation>
        </message>
        <message>
            <source>&amp;Let It Go On</source>
            <translation>让它继续(&amp;L)</translation>
        </message>
        <message>
            <source>&amp;Cancel Job</source>
            <translation>取消任务(&amp;C)</translation>
        </message>
        <message>
            <source>&amp;Stay in QGIS</source>
            <translation>留在 QGIS(&amp;S)</translation>
        </message>
        <message>
            <source>{} (from the Toolbox)</source>
            <translation>{}（来自工具箱）</translation>
        </message>
        <message>
            <source>{} (of an earlier QGIS)</source>
            <translation>{}（先前的 QGIS）</translation>
        </message>
        <message>
            <source>{} (of another QGIS)</source>
            <translation>{}（另一个 QGIS）</translation>
        </message>
        <message>
            <source>Started by another QGIS: {user} on {host}, process {pid}{since}.</source>
            <translation>由另一个 QGIS 启动：{user}，主机 {host}，进程 {pid}{since}。</translation>
        </message>
        <message>
            <source>&amp;MTMSD</source>
            <translation>MTMSD(&amp;M)</translation>
        </message>
        <message>
            <source>MTMSD Classification</source>
            <translation>MTMSD 分类</translation>
        </message>
        <message>
            <source>Show or hide the MTMSD dock</source>
            <translation>显示或隐藏 MTMSD 面板</translation>
        </message>
        <message>
            <source>Try the &amp;Sample Scene</source>
            <translation>试用示例影像(&amp;S)</translation>
        </message>
        <message>
            <source>&amp;Tutorial</source>
            <translation>教程(&amp;T)</translation>
        </message>
        <message>
            <source>&amp;Help</source>
            <translation>帮助(&amp;H)</translation>
        </message>
        <message>
            <source>&amp;Engine…</source>
            <translation>引擎(&amp;E)…</translation>
        </message>
        <message>
            <source>The job's folder {path} cannot be made: {reason}.</source>
            <translation>无法创建任务文件夹 {path}：{reason}。</translation>
        </message>
        <message>
            <source>The file is temporary: it goes when QGIS is closed.</source>
            <translation>该文件是临时的：关闭 QGIS 时会消失。</translation>
        </message>
        <message>
            <source>{lost} of {count} masks cannot be opened: {names}.</source>
            <translation>{count} 个掩膜中有 {lost} 个无法打开：{names}。</translation>
        </message>
        <message>
            <source>The layer for '{parameter}' cannot be opened: {value}.</source>
            <translation>无法打开“{parameter}”的图层：{value}。</translation>
        </message>
        <message>
            <source>'{layer}' is the scene itself; choose the layer with the polygons.</source>
            <translation>“{layer}”就是影像本身；请选择含多边形的图层。</translation>
        </message>
        <message>
            <source>The layer '{layer}' has no field '{field}'; it has {fields}.</source>
            <translation>图层“{layer}”没有字段“{field}”；它有 {fields}。</translation>
        </message>
        <message>
            <source>Parameters and outputs</source>
            <translation>参数和输出</translation>
        </message>
        <message>
            <source>Spectral angle</source>
            <translation>光谱角</translation>
        </message>
        <message>
            <source>How far each pixel is from spectra of a library, whatever its brightness.</source>
            <translation>每个像元与光谱库光谱的差异，与亮度无关。</translation>
        </message>
        <message>
            <source>Spectral library</source>
            <translation>光谱库</translation>
        </message>
        <message>
            <source>Spectra</source>
            <translation>光谱</translation>
        </message>
        <message>
            <source>ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd).</source>
            <translation>ENVI (.sli)、CSV、USGS 或 ECOSTRESS 文本、ASD (.asd)。</translation>
        </message>
        <message>
            <source>Names of its spectra, separated by semicolons. Default: all of them.</source>
            <translation>光谱库中光谱的名称，以分号分隔。默认：全部。</translation>
        </message>
        <message>
            <source>GeoTIFF with a band a spectrum: the angle in radians, 0 where they are alike.</source>
            <translation>GeoTIFF，每条光谱一个波段：以弧度表示的角度，形状相同为 0。</translation>
        </message>
        <message>
            <source>'{part}' in Classes to match is not of the form THEIRS=OURS.</source>
            <translation>“待匹配的类别”中的“{part}”不符合 THEIRS=OURS 的形式。</translation>
        </message>
        <message>
            <source>Assess a class map</source>
            <translation>评估类别图</translation>
        </message>
        <message>
            <source>Compares a class map with reference polygons and writes an accuracy report.</source>
            <translation>将类别图与参考多边形比较，并写出精度报告。</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>类别图</translation>
        </message>
        <message>
            <source>Reference that was not used for training. Default: none; the report is then that of the polygons held out while the map's classifier was trained.</source>
            <translation>未用于训练的参考。默认：无；此时报告取自训练该地图的分类器时预留的多边形。</translation>
        </message>
        <message>
            <source>Classes to match</source>
            <translation>待匹配的类别</translation>
        </message>
        <message>
            <source>The polygons that trained the map; the baselines learn from them. Default: none.</source>
            <translation>训练该地图的多边形；基线从中学习。默认：无。</translation>
        </message>
        <message>
            <source>Figures</source>
            <translation>数值</translation>
        </message>
        <message>
            <source>The raster that 'Classify a scene' has written.</source>
            <translation>“对影像分类”写出的栅格。</translation>
        </message>
        <message>
            <source>Reference polygons</source>
            <translation>参考多边形</translation>
        </message>
        <message>
            <source>The map's class for classes of the reference that are called otherwise, by name or number, with semicolons between: 'Wald=forest; 7=water'. 'Weg=' leaves one out, 'Weg=-' counts it as wrong. Default: names and numbers are the map's.</source>
            <translation>参考中名称不同的类别在地图中对应的类别，用名称或编号表示，以分号分隔：'Wald=forest; 7=water'。'Weg=' 表示舍去该类别，'Weg=-' 表示按错误计。默认：名称和编号与地图相同。</translation>
        </message>
        <message>
            <source>The scene of the map. With it and the training polygons, a support vector machine and a random forest on the plain spectra are reported beside the map. Default: none.</source>
            <translation>地图所对应的影像。有了它和训练多边形，会在地图之外报告基于纯光谱的支持向量机和随机森林。默认：无。</translation>
        </message>
        <message>
            <source>Training polygons</source>
            <translation>训练多边形</translation>
        </message>
        <message>
            <source>The figures as JSON. Default: beside the report.</source>
            <translation>JSON 格式的数值。默认：在报告旁边。</translation>
        </message>
        <message>
            <source>Spectral baselines need both the scene and the training polygons; give both or neither.</source>
            <translation>光谱基线同时需要影像和训练多边形；请都给出或都不给。</translation>
        </message>
        <message>
            <source>Change between two class maps</source>
            <translation>两幅类别图之间的变化</translation>
        </message>
        <message>
            <source>What became what, as a map and as a table with areas and standard errors.</source>
            <translation>各类别变为何种类别，以地图以及含面积和标准误差的表格给出。</translation>
        </message>
        <message>
            <source>Earlier class map</source>
            <translation>前期类别图</translation>
        </message>
        <message>
            <source>The class map of the earlier date.</source>
            <translation>前一时期的类别图。</translation>
        </message>
        <message>
            <source>Later class map</source>
            <translation>后期类别图</translation>
        </message>
        <message>
            <source>The class map of the later date, on the grid of the earlier one.</source>
            <translation>后一时期的类别图，与前期类别图的网格一致。</translation>
        </message>
        <message>
            <source>Change map</source>
            <translation>变化图</translation>
        </message>
        <message>
            <source>GeoTIFF with a class for each pair of classes: pale where nothing changed, else in a shade of the later class's colour.</source>
            <translation>每一对类别对应一个类别的 GeoTIFF：未变化处为浅色，其余为后期类别颜色的深浅色调。</translation>
        </message>
        <message>
            <source>From-to table</source>
            <translation>转移表</translation>
        </message>
        <message>
            <source>Pixels, areas and their standard errors of each pair of classes as CSV.</source>
            <translation>每一对类别的像元数、面积及其标准误差的 CSV。</translation>
        </message>
        <message>
            <source>Written with the map. Default: none.</source>
            <translation>随地图写出。默认：无。</translation>
        </message>
        <message>
            <source>Unknown below a confidence of</source>
            <translation>低于此置信度为未知</translation>
        </message>
        <message>
            <source>Confidence of the earlier map</source>
            <translation>前期地图的置信度</translation>
        </message>
        <message>
            <source>Confidence of the later map</source>
            <translation>后期地图的置信度</translation>
        </message>
        <message>
            <source>Pixels of lower confidence in one of the maps are counted apart. Default: 0.5.</source>
            <translation>在任一地图中低于此置信度的像元单独统计。默认：0.5。</translation>
        </message>
        <message>
            <source>Table of equal classes</source>
            <translation>同类对照表</translation>
        </message>
        <message>
            <source>Reference of the change</source>
            <translation>变化参考</translation>
        </message>
        <message>
            <source>Field with the class before</source>
            <translation>变化前类别的字段</translation>
        </message>
        <message>
            <source>Field with the class after</source>
            <translation>变化后类别的字段</translation>
        </message>
        <message>
            <source>Columns before,after: classes that are the same though they are called differently. Default: classes of one name are the same.</source>
            <translation>列 before,after：名称不同但实为相同的类别。默认：同名类别视为相同。</translation>
        </message>
        <message>
            <source>Points or polygons with the true class before and after; areas and their standard errors then rest on them. Default: on the held-out polygons of both maps.</source>
            <translation>含变化前后真实类别的点或多边形；此时面积及其标准误差以此为依据。默认：以两幅地图的预留多边形为依据。</translation>
        </message>
        <message>
            <source>A field of the reference. Default: none.</source>
            <translation>参考的一个字段。默认：无。</translation>
        </message>
        <message>
            <source>The reference of the change needs its two fields, of before and after.</source>
            <translation>变化参考需要变化前和变化后两个字段。</translation>
        </message>
        <message>
            <source>Classify a scene</source>
            <translation>对影像分类</translation>
        </message>
        <message>
            <source>Maps a scene with a trained classifier; class map and confidence.</source>
            <translation>用训练好的分类器对影像制图；类别图和置信度。</translation>
        </message>
        <message>
            <source>Classifier</source>
            <translation>分类器</translation>
        </message>
        <message>
            <source>Extent</source>
            <translation>范围</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written, or the .onnx file of 'Export a classifier'.</source>
            <translation>“训练分类器”写出的 .safetensors 文件，或“导出分类器”的 .onnx 文件。</translation>
        </message>
        <message>
            <source>Only this part of the scene is mapped, on the scene's own pixels. Default: the whole scene.</source>
            <translation>只对影像的这一部分制图，采用影像自身的像元。默认：整幅影像。</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid with class numbers, names and colours; 0 = no data.</source>
            <translation>与影像网格一致的 GeoTIFF，含类别编号、名称和颜色；0 = 无数据。</translation>
        </message>
        <message>
            <source>The extent does not touch the scene '{name}'; choose one that does.</source>
            <translation>该范围与影像“{name}”不相交；请选择相交的范围。</translation>
        </message>
        <message>
            <source>Classify several scenes</source>
            <translation>对多幅影像分类</translation>
        </message>
        <message>
            <source>Maps scenes of one sensor with one classifier, into a folder or one mosaic.</source>
            <translation>用一个分类器对同一传感器的多幅影像制图，写入文件夹或拼成一幅镶嵌图。</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>地图文件夹</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, a GeoTIFF of its name on its grid.</source>
            <translation>每幅影像写入一幅类别图：以影像命名、与影像格网一致的 GeoTIFF。</translation>
        </message>
        <message>
            <source>Mosaic</source>
            <translation>镶嵌图</translation>
        </message>
        <message>
            <source>Also one class map of all, blended where they overlap; for scenes on one grid. Default: not written.</source>
            <translation>另外写出一幅包含全部的类别图，重叠处加以融合；用于同一格网的影像。默认：不写出。</translation>
        </message>
        <message>
            <source>Class maps</source>
            <translation>类别图</translation>
        </message>
        <message>
            <source>Scenes that were not mapped</source>
            <translation>未制图的影像</translation>
        </message>
        <message>
            <source>{lost} of {count} scenes are no layers: {names}; give those as scene files.</source>
            <translation>{count} 幅影像中有 {lost} 幅不是图层：{names}；请将其作为影像文件给出。</translation>
        </message>
        <message>
            <source>There is no scene to map; give layers or files.</source>
            <translation>没有可制图的影像；请给出图层或文件。</translation>
        </message>
        <message>
            <source>{count} scenes were mapped, {failed} were not.</source>
            <translation>已对 {count} 幅影像制图，{failed} 幅未成功。</translation>
        </message>
        <message>
            <source>Scenes</source>
            <translation>影像</translation>
        </message>
        <message>
            <source>Scene files</source>
            <translation>影像文件</translation>
        </message>
        <message>
            <source>Hyperspectral rasters of the sensor that the classifier was trained on, on any grids; bands are matched by wavelength. Default: none.</source>
            <translation>分类器训练时所用传感器的高光谱栅格，格网不限；波段按波长匹配。默认：无。</translation>
        </message>
        <message>
            <source>Scenes that are no layers: rasters, products, or a table scenes.csv with the columns scene,output,mask. One that cannot be read is named, and the others go on. Default: none.</source>
            <translation>不是图层的影像：栅格、产品，或含 scene,output,mask 列的表格 scenes.csv。无法读取的会列出名称，其余继续。默认：无。</translation>
        </message>
        <message>
            <source>Confidence of each map</source>
            <translation>每幅地图的置信度</translation>
        </message>
        <message>
            <source>Class probabilities of each map</source>
            <translation>每幅地图的类别概率</translation>
        </message>
        <message>
            <source>GeoTIFFs in the folder '{name}' beside the maps. Default: no.</source>
            <translation>文件夹“{name}”中的 GeoTIFF，与地图并列。默认：否。</translation>
        </message>
        <message>
            <source>Export a classifier</source>
            <translation>导出分类器</translation>
        </message>
        <message>
            <source>Writes a classifier as ONNX, to map with on machines without PyTorch.</source>
            <translation>将分类器写为 ONNX，以便在没有 PyTorch 的机器上制图。</translation>
        </message>
        <message>
            <source>Exported classifier</source>
            <translation>导出的分类器</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Train a classifier' has written.</source>
            <translation>“训练分类器”写出的 .safetensors 文件。</translation>
        </message>
        <message>
            <source>An .onnx file, all that 'Classify a scene' needs of the classifier.</source>
            <translation>一个 .onnx 文件，“对影像分类”所需的分类器内容尽在其中。</translation>
        </message>
        <message>
            <source>'{name}' does not end in .onnx; choose another name.</source>
            <translation>“{name}”没有以 .onnx 结尾；请另选名称。</translation>
        </message>
        <message>
            <source>Export training pixels</source>
            <translation>导出训练像元</translation>
        </message>
        <message>
            <source>Each training pixel with its class and band values, as points and as a table.</source>
            <translation>每个训练像元及其类别和波段值，以点和表格形式写出。</translation>
        </message>
        <message>
            <source>Table</source>
            <translation>表格</translation>
        </message>
        <message>
            <source>The polygons whose pixels are written.</source>
            <translation>要写出其像元的多边形。</translation>
        </message>
        <message>
            <source>GeoPackage with a point a pixel: class number and name, polygon, column and row (from 0), x and y, and a column a band, named by its wavelength in nm.</source>
            <translation>每个像元一个点的 GeoPackage：类别编号和名称、多边形、列和行（从 0 起）、x 和 y，以及每个波段一列，以波长（nm）命名。</translation>
        </message>
        <message>
            <source>The same columns as CSV.</source>
            <translation>相同的列，写为 CSV。</translation>
        </message>
        <message>
            <source>Number of pixels</source>
            <translation>像元数</translation>
        </message>
        <message>
            <source>Map a scene from polygons</source>
            <translation>由多边形对影像制图</translation>
        </message>
        <message>
            <source>From a hyperspectral raster and a few polygons to a class map, in one step.</source>
            <translation>从高光谱栅格和少量多边形一步得到类别图。</translation>
        </message>
        <message>
            <source>The training polygons, at least 3 pixels in each of two or more classes.</source>
            <translation>训练多边形，两个或更多类别，每类至少 3 个像元。</translation>
        </message>
        <message>
            <source>Reference that is not used for training. Default: a quarter of the training polygons is held out for the accuracy figures; the map then learns from all of them.</source>
            <translation>不用于训练的参考。默认：预留四分之一的训练多边形用于精度数值；之后地图从全部多边形学习。</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>验证多边形</translation>
        </message>
        <message>
            <source>New diffusion model</source>
            <translation>新的扩散模型</translation>
        </message>
        <message>
            <source>With this file the scene is pretrained first, which takes minutes, and the stack listens to the diffusion network too. Default: none; pretrained only if the classifier needs it.</source>
            <translation>给出此文件时先对影像进行预训练（需要数分钟），堆叠也会采用扩散网络。默认：无；仅在分类器需要时才预训练。</translation>
        </message>
        <message>
            <source>Kept to map other scenes of the same sensor. Default: not kept.</source>
            <translation>保留以便对同一传感器的其他影像制图。默认：不保留。</translation>
        </message>
        <message>
            <source>Join class maps to a mosaic</source>
            <translation>将类别图拼成镶嵌图</translation>
        </message>
        <message>
            <source>One class map of many; where they overlap, their probabilities are blended.</source>
            <translation>将多幅类别图合为一幅；重叠处融合其概率。</translation>
        </message>
        <message>
            <source>Probabilities</source>
            <translation>概率</translation>
        </message>
        <message>
            <source>Of each map the layer of probabilities that 'Classify a scene' has written, all with one classifier and on one grid.</source>
            <translation>每幅地图由“对影像分类”写出的概率图层，须采用同一分类器和同一格网。</translation>
        </message>
        <message>
            <source>GeoTIFF (COG) with overviews, class numbers, names and colours; 0 = no data.</source>
            <translation>带金字塔的 GeoTIFF（COG），含类别编号、名称和颜色；0 = 无数据。</translation>
        </message>
        <message>
            <source>There is no map for a mosaic; give the probabilities of each.</source>
            <translation>没有可镶嵌的地图；请给出每幅地图的概率。</translation>
        </message>
        <message>
            <source>mosaic</source>
            <translation>镶嵌图</translation>
        </message>
        <message>
            <source>Where to label next</source>
            <translation>下一步标注何处</translation>
        </message>
        <message>
            <source>Points in doubt, spread over the scene, with the two classes in question.</source>
            <translation>分布于影像各处的存疑点，附两个待辨的类别。</translation>
        </message>
        <message>
            <source>Class probabilities</source>
            <translation>类别概率</translation>
        </message>
        <message>
            <source>Number of points</source>
            <translation>点的数量</translation>
        </message>
        <message>
            <source>Labels that there are already; the points keep away. Default: none.</source>
            <translation>已有的标签；点会与其保持距离。默认：无。</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>待标注的点</translation>
        </message>
        <message>
            <source>One band for each class, from 'Classify a scene' or 'Map a scene'.</source>
            <translation>每个类别一个波段，来自“对影像分类”或“由多边形对影像制图”。</translation>
        </message>
        <message>
            <source>How many points are proposed. Default: 20.</source>
            <translation>建议多少个点。默认：20。</translation>
        </message>
        <message>
            <source>GeoPackage with rank (1 is best), doubt (0 to 1), the two classes in doubt and their probabilities.</source>
            <translation>含排名（1 为最佳）、疑度（0 到 1）、两个存疑类别及其概率的 GeoPackage。</translation>
        </message>
        <message>
            <source>Number of points found</source>
            <translation>找到的点数</translation>
        </message>
        <message>
            <source>Pretrain on a scene</source>
            <translation>在影像上预训练</translation>
        </message>
        <message>
            <source>Learns a hyperspectral scene without labels and writes a diffusion model.</source>
            <translation>无标签地学习高光谱影像并写出扩散模型。</translation>
        </message>
        <message>
            <source>A .safetensors file of 5 to 110 MB, to be used by 'Train a classifier' and 'Map a scene from polygons'. Checkpoints lie beside it until it is complete.</source>
            <translation>5 到 110 MB 的 .safetensors 文件，供“训练分类器”和“由多边形对影像制图”使用。完成之前检查点在其旁边。</translation>
        </message>
        <message>
            <source>Parts a scene into regions that are learnt with their classes.</source>
            <translation>将影像划分为区域，区域与其类别一同学习。</translation>
        </message>
        <message>
            <source>What the regions are learnt from. Default: none, and regions that were learnt before are taken.</source>
            <translation>用来学习区域的多边形。默认：无，此时采用先前学得的区域。</translation>
        </message>
        <message>
            <source>Size of a region in pixels</source>
            <translation>区域大小（像元）</translation>
        </message>
        <message>
            <source>Side of the squares in which regions begin: 2 at least, the scene's shorter side at most. 0 (default): half of a typical polygon's side, 4 to 16.</source>
            <translation>区域初始方块的边长：最小为 2，最大为影像的短边。0（默认）：典型多边形边长的一半，4 到 16。</translation>
        </message>
        <message>
            <source>Achievable segmentation accuracy (0 to 1)</source>
            <translation>可达分割精度（0 到 1）</translation>
        </message>
        <message>
            <source>Number of regions</source>
            <translation>区域数量</translation>
        </message>
        <message>
            <source>Learnt regions</source>
            <translation>学得的区域</translation>
        </message>
        <message>
            <source>Map to compare with</source>
            <translation>用于比较的地图</translation>
        </message>
        <message>
            <source>The .safetensors file of an earlier run, of this scene or another of the same sensor: nothing is learnt then. Default: none.</source>
            <translation>先前运行写出的 .safetensors 文件，来自此影像或同一传感器的另一幅影像：此时不再学习。默认：无。</translation>
        </message>
        <message>
            <source>A class map of single pixels whose accuracy the report tells beside that of the regions, where both were judged by the same pixels. Default: none.</source>
            <translation>逐像元的类别图；若两者用相同的像元评定，报告会将其精度与区域的精度并列。默认：无。</translation>
        </message>
        <message>
            <source>Regions</source>
            <translation>区域</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>区域的类别图</translation>
        </message>
        <message>
            <source>New learnt regions</source>
            <translation>新学得的区域</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each region: class_id, class_name, color, pixels, area_ha, and share_N, the share of each class N.</source>
            <translation>每个区域一个多边形的 GeoPackage：class_id、class_name、color、pixels、area_ha，以及 share_N，即各类别 N 的比例。</translation>
        </message>
        <message>
            <source>GeoTIFF on the scene's grid: each pixel has the class of its region.</source>
            <translation>与影像格网一致的 GeoTIFF：每个像元取其所在区域的类别。</translation>
        </message>
        <message>
            <source>Kept to map this scene or another with. Default: not kept.</source>
            <translation>保留以便对此影像或其他影像制图。默认：不保留。</translation>
        </message>
        <message>
            <source>Choose training polygons or learnt regions: one of the two.</source>
            <translation>请选择训练多边形或学得的区域：二者选一。</translation>
        </message>
        <message>
            <source>Regions cannot begin as squares of 1 px; choose 2 or more, or 0.</source>
            <translation>区域不能从 1 px 的方块开始；请选择 2 或更大，或 0。</translation>
        </message>
        <message>
            <source>Train a classifier</source>
            <translation>训练分类器</translation>
        </message>
        <message>
            <source>Learns the classes of training polygons and writes a classifier.</source>
            <translation>学习训练多边形的类别并写出分类器。</translation>
        </message>
        <message>
            <source>A .safetensors file that holds the diffusion model, the classes with names and colours, and the accuracy on held-out polygons; it is all that 'Classify a scene' needs.</source>
            <translation>含扩散模型、类别的名称和颜色以及预留多边形上精度的 .safetensors 文件；“对影像分类”只需要它。</translation>
        </message>
        <message>
            <source>The classifier 'mtmsd' needs a diffusion model; give the one that 'Pretrain on a scene' has written, or choose another classifier.</source>
            <translation>分类器 'mtmsd' 需要扩散模型；请给出“在影像上预训练”写出的模型，或选择其他分类器。</translation>
        </message>
        <message>
            <source>Turn a class map into polygons</source>
            <translation>将类别图转为多边形</translation>
        </message>
        <message>
            <source>Polygons with class, area and mean confidence, and the area of each class.</source>
            <translation>含类别、面积和平均置信度的多边形，以及各类别的面积。</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>置信度</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>多边形</translation>
        </message>
        <message>
            <source>Area table</source>
            <translation>面积表</translation>
        </message>
        <message>
            <source>Written with the map; its mean is told for each polygon. Default: none.</source>
            <translation>随地图写出；给出每个多边形的平均值。默认：无。</translation>
        </message>
        <message>
            <source>GeoPackage with a polygon for each connected region: class_id, class_name, color, pixels, area_ha, confidence.</source>
            <translation>每个连通区域一个多边形的 GeoPackage：class_id、class_name、color、pixels、area_ha、confidence。</translation>
        </message>
        <message>
            <source>Pixels, share and hectares of each class as CSV. Default: not written.</source>
            <translation>各类别的像元数、比例和公顷数的 CSV。默认：不写出。</translation>
        </message>
        <message>
            <source>Number of polygons</source>
            <translation>多边形数量</translation>
        </message>
        <message>
            <source>Overall accuracy (0 to 1)</source>
            <translation>总体精度（0 到 1）</translation>
        </message>
        <message>
            <source>Average accuracy (0 to 1)</source>
            <translation>平均精度（0 到 1）</translation>
        </message>
        <message>
            <source>Kappa</source>
            <translation>Kappa</translation>
        </message>
        <message>
            <source>The raster layer '{name}' comes from the provider '{provider}', which the engine cannot read; save it as a GeoTIFF and use that.</source>
            <translation>栅格图层“{name}”来自数据源“{provider}”，引擎无法读取；请另存为 GeoTIFF 并使用它。</translation>
        </message>
        <message>
            <source>The raster layer '{name}' is only in QGIS's memory; save it as a GeoTIFF and use that.</source>
            <translation>栅格图层“{name}”只在 QGIS 的内存中；请另存为 GeoTIFF 并使用它。</translation>
        </message>
        <message>
            <source>The layer '{name}' is neither a vector nor a raster layer.</source>
            <translation>图层“{name}”既不是矢量图层也不是栅格图层。</translation>
        </message>
        <message>
            <source>No polygon of the layer '{name}' is selected; select some, or leave 'Selected polygons only' off.</source>
            <translation>图层“{name}”没有选中的多边形；请选中一些，或不勾选“仅选中的多边形”。</translation>
        </message>
        <message>
            <source>The layer '{name}' could not be written for the engine: {reason}</source>
            <translation>无法为引擎写出图层“{name}”：{reason}</translation>
        </message>
        <message>
            <source>Automatic: the stack, with the preset paper MTMSD alone</source>
            <translation>自动：堆叠；使用 paper 预设时仅用 MTMSD</translation>
        </message>
        <message>
            <source>auto (default): stack; with the preset paper, mtmsd. stack: several simple classifiers, and the diffusion network where there is a model, weighed by polygons that were left out; without a model it takes seconds. mtmsd: the network alone. Or one of plain spectra: svm (support vector machine), svm-polygons (the same, tuned over whole polygons), rf (random forest). The accuracy report says when one of them is better.</source>
            <translation>auto（默认）：stack；使用 paper 预设时为 mtmsd。stack：多个简单分类器，有模型时再加上扩散网络，按留出的多边形加权；没有模型时只需数秒。mtmsd：仅用该网络。或仅用光谱的分类器：svm（支持向量机）、svm-polygons（同上，按整个多边形调参）、rf（随机森林）。精度报告会说明其中哪个更好。</translation>
        </message>
        <message>
            <source>Class of the library's spectra</source>
            <translation>光谱库光谱的类别</translation>
        </message>
        <message>
            <source>Table of the library's classes</source>
            <translation>光谱库的类别表</translation>
        </message>
        <message>
            <source>Factor of the library's values</source>
            <translation>光谱库数值的系数</translation>
        </message>
        <message>
            <source>Its spectra train beside the polygons, resampled to the scene's bands, and may make a class that has no polygon; not for the classifier 'mtmsd'. ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd). Default: none.</source>
            <translation>其光谱重采样到影像的波段，与多边形一起参与训练，也可构成没有多边形的类别；不适用于分类器 'mtmsd'。ENVI (.sli)、CSV、USGS 或 ECOSTRESS 文本、ASD (.asd)。默认：无。</translation>
        </message>
        <message>
            <source>One class for all of its spectra. Default: each spectrum's name is its class.</source>
            <translation>全部光谱归入同一类别。默认：每条光谱的名称即为其类别。</translation>
        </message>
        <message>
            <source>CSV with the columns name and class, and if wanted value and color: the class of each spectrum; spectra that it does not name are left out. Default: none.</source>
            <translation>含 name 和 class 列的 CSV，可另加 value 和 color 列：每条光谱的类别；未列出的光谱会被舍去。默认：无。</translation>
        </message>
        <message>
            <source>What its values are multiplied by to have the scene's units. Default: told by its numbers (0 to 1, percent, times 10,000); the log says which.</source>
            <translation>将其数值换算为影像单位所乘的系数。默认：由数值判断（0 到 1、百分数、乘以 10000）；日志会说明采用哪一种。</translation>
        </message>
        <message>
            <source>{parameter} is given, and no spectral library; choose one, or leave it out.</source>
            <translation>给出了 {parameter}，但没有光谱库；请选择光谱库，或不填此项。</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>自动</translation>
        </message>
        <message>
            <source>Whole polygons</source>
            <translation>整个多边形</translation>
        </message>
        <message>
            <source>Spatial cross-validation</source>
            <translation>空间交叉验证</translation>
        </message>
        <message>
            <source>Single pixels (optimistic)</source>
            <translation>单个像元（偏乐观）</translation>
        </message>
        <message>
            <source>How polygons are held out</source>
            <translation>多边形如何预留</translation>
        </message>
        <message>
            <source>Share held out</source>
            <translation>预留比例</translation>
        </message>
        <message>
            <source>Guard distance in pixels</source>
            <translation>保护距离（像元）</translation>
        </message>
        <message>
            <source>polygons: whole ones. cross: spatial cross-validation, each polygon tested once. auto (default): cross where most classes have fewer than 4 polygons, else polygons. random: single pixels, whose figures are optimistic because they lie beside training pixels.</source>
            <translation>polygons：整个多边形。cross：空间交叉验证，每个多边形测试一次。auto（默认）：若多数类别少于 4 个多边形则用 cross，否则用 polygons。random：单个像元，因紧邻训练像元，其数值偏乐观。</translation>
        </message>
        <message>
            <source>Share of each class that is held out, 0 to 0.9. With 0 no accuracy is told and the confidence is not calibrated. Default: 0.25.</source>
            <translation>每个类别预留的比例，0 到 0.9。为 0 时不给出精度，置信度也不校准。默认：0.25。</translation>
        </message>
        <message>
            <source>Training pixels nearer than this to a held-out one are left out. Default: 0.</source>
            <translation>距预留像元小于此值的训练像元会被舍去。默认：0。</translation>
        </message>
        <message>
            <source>Majority filter, side in pixels</source>
            <translation>众数滤波，边长（像元）</translation>
        </message>
        <message>
            <source>Minimum mapping unit in pixels</source>
            <translation>最小制图单元（像元）</translation>
        </message>
        <message>
            <source>Pixels of lower confidence, 0 to 1, get the class 255 'unknown'. Default: none.</source>
            <translation>置信度较低（0 到 1）的像元归入类别 255 'unknown'。默认：无。</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of a square of 3, 5, 7, … pixels around it; on a tie it keeps its own. Default: none.</source>
            <translation>每个像元取其周围 3、5、7、… 像元方块中最常见的类别；并列时保持不变。默认：无。</translation>
        </message>
        <message>
            <source>Smaller regions join their largest neighbour. Default: all regions stay.</source>
            <translation>较小的区域并入其最大的相邻区域。默认：保留所有区域。</translation>
        </message>
        <message>
            <source>GeoTIFF with one band for each class, 0 to 1; four bytes a pixel and class. 'Where to label next' needs it. Default: not written.</source>
            <translation>每个类别一个波段的 GeoTIFF，0 到 1；每个像元和类别四字节。“下一步标注何处”需要它。默认：不写出。</translation>
        </message>
        <message>
            <source>Entropy</source>
            <translation>熵</translation>
        </message>
        <message>
            <source>GeoTIFF: 0 where one class is certain, 1 where all are as likely. Default: not written.</source>
            <translation>GeoTIFF：0 表示某一类别确定，1 表示所有类别同样可能。默认：不写出。</translation>
        </message>
        <message>
            <source>Disagreement</source>
            <translation>分歧</translation>
        </message>
        <message>
            <source>GeoTIFF: how far the members of the ensemble differ, 0 to 1; not for the simple classifiers. Default: not written.</source>
            <translation>GeoTIFF：集成成员之间的差异，0 到 1；不适用于简单分类器。默认：不写出。</translation>
        </message>
        <message>
            <source>Doubtful polygons</source>
            <translation>存疑多边形</translation>
        </message>
        <message>
            <source>GeoPackage with the training polygons that the other polygons call another class: their class, the one that the map would give, and the share of their pixels that are called so. By the classifier 'stack' only. Default: not written.</source>
            <translation>含被其他多边形判为另一类别的训练多边形的 GeoPackage：其类别、地图会给出的类别，以及其像元被如此判定的比例。仅限分类器 'stack'。默认：不写出。</translation>
        </message>
        <message>
            <source>GeoPackage with the map's regions, as by 'Turn a class map into polygons'. Default: not written.</source>
            <translation>含地图各区域的 GeoPackage，同“将类别图转为多边形”。默认：不写出。</translation>
        </message>
        <message>
            <source>GeoPackage with 20 places worth a label next, as by 'Where to label next'. Default: not written.</source>
            <translation>含 20 个值得标注之处的 GeoPackage，同“下一步标注何处”。默认：不写出。</translation>
        </message>
        <message>
            <source>Scene and polygons to map and report</source>
            <translation>从影像和多边形到地图和报告</translation>
        </message>
        <message>
            <source>Map another scene</source>
            <translation>对另一幅影像制图</translation>
        </message>
        <message>
            <source>Assess and polygonize</source>
            <translation>评估并矢量化</translation>
        </message>
        <message>
            <source>Models</source>
            <translation>模型</translation>
        </message>
        <message>
            <source>The hyperspectral raster. Pixels without data and bad bands (marked in the file, constant, or empty) are left out by themselves.</source>
            <translation>高光谱栅格。无数据的像元和坏波段（文件中标记、恒定或为空）会自动舍去。</translation>
        </message>
        <message>
            <source>A polygon layer in any CRS with a class field, a raster on the scene's grid with class numbers (0 = unlabelled), or the path of another program's training areas: SCP's .scpx, ENVI's regions of interest (.xml, .roi as text).</source>
            <translation>含类别字段的多边形图层（任意坐标系）、与影像同一格网且含类别编号的栅格（0 = 未标注），或其他程序的训练区路径：SCP 的 .scpx、ENVI 的感兴趣区（.xml，或文本格式的 .roi）。</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>类别字段</translation>
        </message>
        <message>
            <source>Class number or class name of each polygon; of a number the name is taken from a field such as class_name. Default: the field called class_id, class, or similar.</source>
            <translation>每个多边形的类别编号或名称；若为编号，名称取自如 class_name 的字段。默认：名为 class_id、class 或类似的字段。</translation>
        </message>
        <message>
            <source>Selected polygons only</source>
            <translation>仅选中的多边形</translation>
        </message>
        <message>
            <source>Only the selected ones of the labels' polygons are read. Default: no, all.</source>
            <translation>只读取标签中选中的多边形。默认：否，全部。</translation>
        </message>
        <message>
            <source>The .safetensors file that 'Pretrain on a scene' has written.</source>
            <translation>“在影像上预训练”写出的 .safetensors 文件。</translation>
        </message>
        <message>
            <source>With it, pretraining is skipped. Default: none.</source>
            <translation>有了它就跳过预训练。默认：无。</translation>
        </message>
        <message>
            <source>Quick: a first look</source>
            <translation>快速：初看</translation>
        </message>
        <message>
            <source>Balanced: good maps</source>
            <translation>均衡：好的地图</translation>
        </message>
        <message>
            <source>Paper: as published, on a GPU</source>
            <translation>论文：按发表，使用 GPU</translation>
        </message>
        <message>
            <source>Preset</source>
            <translation>预设</translation>
        </message>
        <message>
            <source>quick: about 3 minutes of pretraining on two CPU cores, for a first look. balanced (default): about 10 to 15 minutes, the map to keep. paper: the published network and length; needs a GPU.</source>
            <translation>quick：在两个 CPU 核上预训练约 3 分钟，用于初看。balanced（默认）：约 10 到 15 分钟，可供使用的地图。paper：论文的网络和时长；需要 GPU。</translation>
        </message>
        <message>
            <source>Processor (CPU)</source>
            <translation>处理器（CPU）</translation>
        </message>
        <message>
            <source>Graphics card (CUDA)</source>
            <translation>显卡（CUDA）</translation>
        </message>
        <message>
            <source>Graphics card {} (CUDA)</source>
            <translation>显卡 {}（CUDA）</translation>
        </message>
        <message>
            <source>Apple graphics (MPS)</source>
            <translation>Apple GPU（MPS）</translation>
        </message>
        <message>
            <source>Device</source>
            <translation>设备</translation>
        </message>
        <message>
            <source>auto (default) takes a GPU that works, else the CPU.</source>
            <translation>auto（默认）使用可用的 GPU，否则使用 CPU。</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>随机种子</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same result. Default: 0.</source>
            <translation>同一机器上相同的种子得到相同的结果。默认：0。</translation>
        </message>
        <message>
            <source>Other settings</source>
            <translation>其他设置</translation>
        </message>
        <message>
            <source>Single numbers of the preset replaced, as KEY=VALUE with spaces between: 'iterations=2000 members=5'; with the stack 'rare_classes=0.5' finds classes of few training pixels more often. Default: none.</source>
            <translation>替换预设中的个别数值，写作 KEY=VALUE，以空格分隔：'iterations=2000 members=5'；使用堆叠时，'rare_classes=0.5' 会更多地找出训练像元少的类别。默认：无。</translation>
        </message>
        <message>
            <source>Bands to leave out</source>
            <translation>舍去的波段</translation>
        </message>
        <message>
            <source>Band numbers or wavelengths besides those that are left out by themselves: '1-5,130-135' or '1340-1460nm,1790-1960nm' (water vapour). Default: none.</source>
            <translation>除自动舍去者之外的波段编号或波长：'1-5,130-135' 或 '1340-1460nm,1790-1960nm'（水汽）。默认：无。</translation>
        </message>
        <message>
            <source>Masks</source>
            <translation>掩膜</translation>
        </message>
        <message>
            <source>Bits or values of masks</source>
            <translation>掩膜的位或值</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>产品自带的掩膜</translation>
        </message>
        <message>
            <source>Clouds, shadow, water: pixels in their polygons (any CRS), or not 0 in their rasters (on the scene's grid), are left out as if they had no data. Default: none.</source>
            <translation>云、阴影、水体：多边形内的像元（任意坐标系）或栅格中非 0 的像元（与影像同一格网）按无数据舍去。默认：无。</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: 'bits=10,11' of a bit mask, 'values=3,8,9' of a class raster. Default: all but 0.</source>
            <translation>栅格掩膜中哪些算作掩膜：位掩膜写 'bits=10,11'，类别栅格写 'values=3,8,9'。默认：除 0 以外的全部。</translation>
        </message>
        <message>
            <source>Also the masks of clouds, shadow and cirrus that come with a scene of EnMAP, EMIT or PRISMA. Default: no.</source>
            <translation>同时采用 EnMAP、EMIT 或 PRISMA 影像自带的云、阴影和卷云掩膜。默认：否。</translation>
        </message>
        <message>
            <source>'{text}' does not say what of a mask is meant; write bits=10,11 or values=3,8.</source>
            <translation>“{text}”未说明掩膜中哪些算作掩膜；请写 bits=10,11 或 values=3,8。</translation>
        </message>
        <message>
            <source>Resume</source>
            <translation>继续</translation>
        </message>
        <message>
            <source>Continue from the last checkpoint of a canceled or broken run with the same output file. Default: no.</source>
            <translation>从同一输出文件的已取消或中断的运行的最后检查点继续。默认：否。</translation>
        </message>
        <message>
            <source>GeoTIFF with the probability of the mapped class, 0 to 1.</source>
            <translation>所绘类别的概率的 GeoTIFF，0 到 1。</translation>
        </message>
        <message>
            <source>Accuracy report</source>
            <translation>精度报告</translation>
        </message>
        <message>
            <source>One HTML file with confusion matrix (rows: reference, columns: map), accuracies and, where they can be made, spectral baselines.</source>
            <translation>一个 HTML 文件，含混淆矩阵（行：参考，列：地图）、各项精度，以及可行时的光谱基线。</translation>
        </message>
        <message>
            <source>'{word}' in Other settings is not of the form KEY=VALUE.</source>
            <translation>其他设置中的“{word}”不是 KEY=VALUE 的形式。</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoTIFF, the one format that is written; end it in .tif.</source>
            <translation>“{path}”不是 GeoTIFF（唯一可写的格式）；请以 .tif 结尾。</translation>
        </message>
        <message>
            <source>'{path}' is not a GeoPackage, the one format that is written; end it in .gpkg.</source>
            <translation>“{path}”不是 GeoPackage（唯一可写的格式）；请以 .gpkg 结尾。</translation>
        </message>
        <message>
            <source>Engine {version} on {device}</source>
            <translation>引擎 {version}，运行于 {device}</translation>
        </message>
        <message>
            <source>Engine {version}</source>
            <translation>引擎 {version}</translation>
        </message>
        <message>
            <source>{title}: {done} of {total} {unit}</source>
            <translation>{title}：{done} / {total} {unit}</translation>
        </message>
        <message>
            <source>{}, {} left</source>
            <translation>{}，剩余 {}</translation>
        </message>
        <message>
            <source>The job in {folder} could not be started with {python}: {reason}.</source>
            <translation>无法用 {python} 启动 {folder} 中的任务：{reason}。</translation>
        </message>
        <message>
            <source>Job folder: {folder}</source>
            <translation>任务文件夹：{folder}</translation>
        </message>
        <message>
            <source>{python} cannot be started: {reason}.</source>
            <translation>无法启动 {python}：{reason}。</translation>
        </message>
        <message>
            <source>Choose another Python.</source>
            <translation>请选择另一个 Python。</translation>
        </message>
        <message>
            <source>{python} {ended} when the engine was checked ({last}).</source>
            <translation>检查引擎时，{python} {ended}（{last}）。</translation>
        </message>
        <message>
            <source>Choose another Python, or set the engine up anew.</source>
            <translation>请选择另一个 Python，或重新安装引擎。</translation>
        </message>
        <message>
            <source>The card {card} has only {free} MB free.</source>
            <translation>显卡 {card} 仅剩 {free} MB 可用。</translation>
        </message>
        <message>
            <source>Close other programs that use it, or set the engine up for the processor.</source>
            <translation>请关闭使用它的其他程序，或为处理器安装引擎。</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no NVIDIA graphics card here{}.</source>
            <translation>已全部安装，但无法在此处的任何 NVIDIA 显卡上计算{}。</translation>
        </message>
        <message>
            <source>All was installed, but it computes on no Apple GPU here{}.</source>
            <translation>已全部安装，但无法在此处的 Apple GPU 上计算{}。</translation>
        </message>
        <message>
            <source>Update the card's driver, or set the engine up for the processor.</source>
            <translation>请更新显卡驱动程序，或为处理器安装引擎。</translation>
        </message>
        <message>
            <source>The proxy asks for a name and a password.</source>
            <translation>代理要求用户名和密码。</translation>
        </message>
        <message>
            <source>Enter them in QGIS under Settings &gt; Options &gt; Network, or under Advanced as http://user[:password]@host:port.</source>
            <translation>请在 QGIS 的“设置 &gt; 选项 &gt; 网络”中输入，或在“高级”中以 http://user[:password]@host:port 的形式输入。</translation>
        </message>
        <message>
            <source>The connection to {index} shows a certificate that this machine does not trust; a virus scanner or a company's proxy may be reading along.</source>
            <translation>与 {index} 的连接显示了本机不信任的证书；可能有杀毒软件或公司代理在监看。</translation>
        </message>
        <message>
            <source>Ask your administrator for the certificate, install it in the system, and set SSL_CERT_FILE to it if that is not enough; or use a folder of wheels.</source>
            <translation>请向管理员索取证书并安装到系统中，若仍不够则将 SSL_CERT_FILE 指向它；或使用 wheel 文件夹。</translation>
        </message>
        <message>
            <source>The disk of {folder} is full.</source>
            <translation>{folder} 所在磁盘已满。</translation>
        </message>
        <message>
            <source>Free some space or choose a folder on another disk, then try again: it goes on where it stopped.</source>
            <translation>请腾出空间或选择另一磁盘上的文件夹，然后重试：会从停下处继续。</translation>
        </message>
        <message>
            <source>The path {folder} is too long for files inside it.</source>
            <translation>路径 {folder} 对其中的文件来说太长。</translation>
        </message>
        <message>
            <source>Choose a shorter one.</source>
            <translation>请选择较短的路径。</translation>
        </message>
        <message>
            <source>A file in {folder} is in use by another program.</source>
            <translation>{folder} 中有文件正被另一程序使用。</translation>
        </message>
        <message>
            <source>Wait for the engine's jobs to end, close other QGIS windows, then try again.</source>
            <translation>请等待引擎的任务结束，关闭其他 QGIS 窗口，然后重试。</translation>
        </message>
        <message>
            <source>The folder {folder} may not be written.</source>
            <translation>不允许写入文件夹 {folder}。</translation>
        </message>
        <message>
            <source>Choose another folder, or ask who owns it.</source>
            <translation>请选择另一个文件夹，或询问其所有者。</translation>
        </message>
        <message>
            <source>A package that was fetched is not the one that was tested (its checksum differs).</source>
            <translation>下载的某个软件包不是经过测试的那个（校验和不同）。</translation>
        </message>
        <message>
            <source>Try again; if it happens again, {index} serves something else: use another index, and tell its administrator.</source>
            <translation>请重试；若再次发生，说明 {index} 提供的是别的内容：请使用另一个索引，并告知其管理员。</translation>
        </message>
        <message>
            <source>The Python {python} is managed by the system, which lets nothing be installed into it.</source>
            <translation>Python {python} 由系统管理，不允许向其中安装任何东西。</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python; QGIS's and the system's own stay as they are.</source>
            <translation>请安装 python3-venv（在 Debian 和 Ubuntu 上），或选择另一个 Python；QGIS 和系统自己的保持不变。</translation>
        </message>
        <message>
            <source>The Python {python} cannot make an environment: it lacks venv or ensurepip.</source>
            <translation>Python {python} 无法创建环境：缺少 venv 或 ensurepip。</translation>
        </message>
        <message>
            <source>Install python3-venv (on Debian and Ubuntu), or choose another Python.</source>
            <translation>请安装 python3-venv（在 Debian 和 Ubuntu 上），或选择另一个 Python。</translation>
        </message>
        <message>
            <source>{index} cannot be reached.</source>
            <translation>无法访问 {index}。</translation>
        </message>
        <message>
            <source>Look at the network and at the proxy (Settings &gt; Options &gt; Network) and try again; on a machine without a network use a folder of wheels.</source>
            <translation>请检查网络和代理（设置 &gt; 选项 &gt; 网络）后重试；在没有网络的机器上请使用 wheel 文件夹。</translation>
        </message>
        <message>
            <source>The connection to {index} broke off.</source>
            <translation>与 {index} 的连接中断。</translation>
        </message>
        <message>
            <source>Try again: what was fetched is kept.</source>
            <translation>请重试：已下载的内容会保留。</translation>
        </message>
        <message>
            <source>{index} is not secured (it is http, not https), so nothing is taken from it.</source>
            <translation>{index} 不安全（是 http 而非 https），因此不从中获取任何内容。</translation>
        </message>
        <message>
            <source>Write https:// where the index has it, or name its host as trusted-host in pip's configuration.</source>
            <translation>若索引支持，请写 https://，或在 pip 的配置中将其主机列为 trusted-host。</translation>
        </message>
        <message>
            <source>The Python {python} is too old or too new for the packages.</source>
            <translation>Python {python} 对这些软件包来说太旧或太新。</translation>
        </message>
        <message>
            <source>Choose a Python from 3.10 to 3.14, or let uv bring one.</source>
            <translation>请选择 3.10 至 3.14 的 Python，或让 uv 自带一个。</translation>
        </message>
        <message>
            <source>{index} has no {package} for this Python and this system.</source>
            <translation>{index} 没有适用于此 Python 和此系统的 {package}。</translation>
        </message>
        <message>
            <source>Use another index or another Python; PyTorch comes from {torch}.</source>
            <translation>请使用另一个索引或另一个 Python；PyTorch 来自 {torch}。</translation>
        </message>
        <message>
            <source>{index} refuses to give a package.</source>
            <translation>{index} 拒绝提供某个软件包。</translation>
        </message>
        <message>
            <source>Look at the index's address, its name and password under Advanced.</source>
            <translation>请在“高级”中检查索引的地址、用户名和密码。</translation>
        </message>
        <message>
            <source>The NVIDIA driver is too old for this PyTorch.</source>
            <translation>NVIDIA 驱动程序对此 PyTorch 来说太旧。</translation>
        </message>
        <message>
            <source>Update the driver, or set the engine up for the processor.</source>
            <translation>请更新驱动程序，或为处理器安装引擎。</translation>
        </message>
        <message>
            <source>The graphics card has no memory free.</source>
            <translation>显卡没有可用内存。</translation>
        </message>
        <message>
            <source>PyTorch finds no NVIDIA graphics card that it can use.</source>
            <translation>PyTorch 找不到可用的 NVIDIA 显卡。</translation>
        </message>
        <message>
            <source>Install NVIDIA's driver, or set the engine up for the processor.</source>
            <translation>请安装 NVIDIA 的驱动程序，或为处理器安装引擎。</translation>
        </message>
        <message>
            <source>The wheel folder {wheels} lacks {package} for this Python and this system.</source>
            <translation>wheel 文件夹 {wheels} 缺少适用于此 Python 和此系统的 {package}。</translation>
        </message>
        <message>
            <source>Fill it with make wheelhouse for this system and this Python, then try again.</source>
            <translation>请用 make wheelhouse 为此系统和此 Python 填充它，然后重试。</translation>
        </message>
        <message>
            <source>The set-up stopped: {last}</source>
            <translation>安装已停止：{last}</translation>
        </message>
        <message>
            <source>The log tells more; Copy Diagnostics takes it along.</source>
            <translation>日志中有更多信息；“复制诊断信息”会将其一并复制。</translation>
        </message>
        <message>
            <source>no reason was given.</source>
            <translation>未给出原因。</translation>
        </message>
        <message>
            <source>The Python {} is not there any more.</source>
            <translation>Python {} 已不存在。</translation>
        </message>
        <message>
            <source>that uv brought</source>
            <translation>（由 uv 提供）</translation>
        </message>
        <message>
            <source>a package</source>
            <translation>某个软件包</translation>
        </message>
        <message>
            <source>Wait until it has ended, or cancel it there.</source>
            <translation>请等待其结束，或在那里取消。</translation>
        </message>
        <message>
            <source>What was fetched is kept for the next time.</source>
            <translation>已下载的内容留待下次使用。</translation>
        </message>
        <message>
            <source>{} does not answer like a Python.</source>
            <translation>{} 的应答不像 Python。</translation>
        </message>
        <message>
            <source>{python} cannot be used: {reason}.</source>
            <translation>无法使用 {python}：{reason}。</translation>
        </message>
        <message>
            <source>{} was not made by Set Up Engine…; remove it yourself.</source>
            <translation>{} 不是由“安装引擎…”创建的；请自行移除。</translation>
        </message>
        <message>
            <source>Wait until it has ended.</source>
            <translation>请等待其结束。</translation>
        </message>
        <message>
            <source>{path} could not be removed: {reason}.</source>
            <translation>无法移除 {path}：{reason}。</translation>
        </message>
        <message>
            <source>Another QGIS is setting up the engine in {}.</source>
            <translation>另一个 QGIS 正在 {} 中安装引擎。</translation>
        </message>
        <message>
            <source>This machine has an {card} ({memory}), driver {driver}.</source>
            <translation>本机有 {card}（{memory}），驱动程序 {driver}。</translation>
        </message>
        <message>
            <source>This is an Apple machine with a GPU of its own.</source>
            <translation>这是带有自己 GPU 的 Apple 机器。</translation>
        </message>
        <message>
            <source>No NVIDIA graphics card with a working driver was found.</source>
            <translation>未找到驱动程序可用的 NVIDIA 显卡。</translation>
        </message>
        <message>
            <source>it is {}, not CPython</source>
            <translation>它是 {}，不是 CPython</translation>
        </message>
        <message>
            <source>it is a {}-bit Python</source>
            <translation>它是 {} 位的 Python</translation>
        </message>
        <message>
            <source>Python {number} is too old; {oldest} to {newest} will do</source>
            <translation>Python {number} 太旧；{oldest} 至 {newest} 均可</translation>
        </message>
        <message>
            <source>Python {number} is too new; {oldest} to {newest} will do</source>
            <translation>Python {number} 太新；{oldest} 至 {newest} 均可</translation>
        </message>
        <message>
            <source>it lacks venv or ensurepip (on Debian and Ubuntu: install python3-venv)</source>
            <translation>缺少 venv 或 ensurepip（在 Debian 和 Ubuntu 上：安装 python3-venv）</translation>
        </message>
        <message>
            <source>The whole engine: pretraining, training, classification and assessment.</source>
            <translation>完整引擎：预训练、训练、分类和评估。</translation>
        </message>
        <message>
            <source>Classification and assessment with models that others trained; no training.</source>
            <translation>用他人训练的模型分类和评估；不能训练。</translation>
        </message>
        <message>
            <source>Computes on the processor.</source>
            <translation>在处理器上计算。</translation>
        </message>
        <message>
            <source>Computes on NVIDIA graphics cards.</source>
            <translation>在 NVIDIA 显卡上计算。</translation>
        </message>
        <message>
            <source>Computes on the Apple GPU.</source>
            <translation>在 Apple GPU 上计算。</translation>
        </message>
        <message>
            <source>Exported classifiers (.onnx) are mapped on the processor: on NVIDIA cards that takes Python 3.11 or newer.</source>
            <translation>导出的分类器（.onnx）在处理器上制图：在 NVIDIA 显卡上需要 Python 3.11 或更新版本。</translation>
        </message>
        <message>
            <source>From the folder {}; no network is used.</source>
            <translation>来自文件夹 {}；不使用网络。</translation>
        </message>
        <message>
            <source>Fetches about {size} from {hosts}.</source>
            <translation>从 {hosts} 下载约 {size}。</translation>
        </message>
        <message>
            <source>Takes about {size} in {folder}; {free} are free there.</source>
            <translation>在 {folder} 中占用约 {size}；那里可用 {free}。</translation>
        </message>
        <message>
            <source>PyTorch comes on top of that; its size was not measured.</source>
            <translation>另加 PyTorch；其大小未测量。</translation>
        </message>
        <message>
            <source>QGIS's own Python stays as it is.</source>
            <translation>QGIS 自己的 Python 保持不变。</translation>
        </message>
        <message>
            <source>The engine that is there stays until the new one has passed its check.</source>
            <translation>现有引擎保留到新引擎通过检查为止。</translation>
        </message>
        <message>
            <source>{first} and {last}</source>
            <translation>{first}和 {last}</translation>
        </message>
        <message>
            <source>uv, which is fetched first</source>
            <translation>uv（先行下载）</translation>
        </message>
        <message>
            <source>Installed by {tool}; it brings a Python {version} of its own.</source>
            <translation>由 {tool} 安装；它自带 Python {version}。</translation>
        </message>
        <message>
            <source>Built from {python} by {tool}.</source>
            <translation>由 {tool} 基于 {python} 构建。</translation>
        </message>
        <message>
            <source>The wheel folder {} holds no wheels (.whl). Choose the folder that make wheelhouse filled, or leave it empty to use the network.</source>
            <translation>wheel 文件夹 {} 中没有 wheel（.whl）。请选择由 make wheelhouse 填充的文件夹，或留空以使用网络。</translation>
        </message>
        <message>
            <source>The disk of {folder} has {free} free; {needed} are needed. Free some space, or choose a folder on another disk.</source>
            <translation>{folder} 所在磁盘可用 {free}；需要 {needed}。请腾出空间，或选择另一磁盘上的文件夹。</translation>
        </message>
        <message>
            <source>CPU</source>
            <translation>CPU</translation>
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation>NVIDIA GPU</translation>
        </message>
        <message>
            <source>Apple GPU</source>
            <translation>Apple GPU</translation>
        </message>
        <message>
            <source>There are no ready-made packages for {system} on {machine}. Set the engine up on another machine, or choose an interpreter that has the packages.</source>
            <translation>没有适用于 {machine} 上 {system} 的现成软件包。请在另一台机器上安装引擎，或选择已含这些软件包的解释器。</translation>
        </message>
        <message>
            <source>There is no PyTorch for the device {device} on {system}. Choose the processor.</source>
            <translation>{system} 上没有适用于设备 {device} 的 PyTorch。请选择处理器。</translation>
        </message>
        <message>
            <source>The NVIDIA driver {driver} is too old for these packages, which need {least} or newer. Update the driver, or choose the processor.</source>
            <translation>NVIDIA 驱动 {driver} 对这些软件包来说太旧，需要 {least} 或更新版本。请更新驱动，或选择处理器。</translation>
        </message>
        <message>
            <source>Mapping exported classifiers on NVIDIA cards takes Python 3.11 or newer; {python} is {version}. Choose another Python under Advanced, or the processor.</source>
            <translation>在 NVIDIA 显卡上应用导出的分类器需要 Python 3.11 或更新版本；{python} 是 {version}。请在“高级”中选择其他 Python，或选择处理器。</translation>
        </message>
        <message>
            <source>No Python was found that the engine can be built from ({found}). Install Python {version} from python.org or your distribution, then try again.</source>
            <translation>未找到可用来构建引擎的 Python（{found}）。请从 python.org 或您的发行版安装 Python {version}，然后重试。</translation>
        </message>
        <message>
            <source>none at all</source>
            <translation>一个也没有</translation>
        </message>
        <message>
            <source>{} lies inside the plugin, which an update of the plugin deletes. Choose a folder outside it.</source>
            <translation>{} 位于插件内部，更新插件时会被删除。请选择插件之外的文件夹。</translation>
        </message>
        <message>
            <source>The path {folder} is too long: files inside it would have {length} characters, {most} are possible. Choose a shorter one.</source>
            <translation>路径 {folder} 太长：其中的文件会有 {length} 个字符，最多 {most} 个。请选择较短的路径。</translation>
        </message>
        <message>
            <source>{} is a file. Choose a folder.</source>
            <translation>{} 是文件。请选择文件夹。</translation>
        </message>
        <message>
            <source>The folder {} holds other files, which would be replaced. Choose an empty or a new folder.</source>
            <translation>文件夹 {} 中有其他文件，它们会被替换。请选择空的或新的文件夹。</translation>
        </message>
        <message>
            <source>The folder {} may not be written by you. Choose another folder.</source>
            <translation>您无权写入文件夹 {}。请选择另一个文件夹。</translation>
        </message>
        <message>
            <source>Found the training polygons {}; nothing says of which scene they are.</source>
            <translation>找到训练多边形 {}；没有信息说明它们属于哪幅影像。</translation>
        </message>
        <message>
            <source>{} (earlier)</source>
            <translation>{}（先前）</translation>
        </message>
        <message>
            <source>'{}' cannot be the name of a file.</source>
            <translation>“{}”不能用作文件名。</translation>
        </message>
        <message>
            <source>There is a file {} already; choose another name.</source>
            <translation>已有文件 {}；请另选名称。</translation>
        </message>
        <message>
            <source>{} is not a model of MTMSD.</source>
            <translation>{} 不是 MTMSD 的模型。</translation>
        </message>
        <message>
            <source>Set to {shown}, its file says {written}: set the layer back, or the file right (Assign Projection), else polygons lie elsewhere for the engine, which reads the file.</source>
            <translation>已设为 {shown}，但文件写的是 {written}：请将图层改回，或改正文件（指定投影），否则对读取文件的引擎而言多边形会在别处。</translation>
        </message>
        <message>
            <source>none</source>
            <translation>无</translation>
        </message>
        <message>
            <source>There is no folder to write to: {} cannot be created.</source>
            <translation>没有可写入的文件夹：无法创建 {}。</translation>
        </message>
        <message>
            <source>{} holds no classes.</source>
            <translation>{} 不含类别。</translation>
        </message>
        <message>
            <source>number</source>
            <translation>编号</translation>
        </message>
        <message>
            <source>name</source>
            <translation>名称</translation>
        </message>
        <message>
            <source>{file} has the {what} {value} twice.</source>
            <translation>{file} 中的{what} {value} 出现了两次。</translation>
        </message>
        <message>
            <source>{} needs the columns value, name and colour.</source>
            <translation>{} 需要 value、name 和 color 列。</translation>
        </message>
        <message>
            <source>line {}</source>
            <translation>第 {} 行</translation>
        </message>
        <message>
            <source>{}, {}: a cell is missing.</source>
            <translation>{}，{}：缺少单元格。</translation>
        </message>
        <message>
            <source>{file}, {place}: '{value}' is no class number from 1 to {most}.</source>
            <translation>{file}，{place}：“{value}”不是 1 到 {most} 的类别编号。</translation>
        </message>
        <message>
            <source>{file}, {place}: '{color}' is no colour; write it like #1a7837.</source>
            <translation>{file}，{place}：“{color}”不是颜色；请写成 #1a7837 的形式。</translation>
        </message>
        <message>
            <source>class {}</source>
            <translation>类别 {}</translation>
        </message>
        <message>
            <source>{} is no style of QGIS.</source>
            <translation>{} 不是 QGIS 样式。</translation>
        </message>
        <message>
            <source>{} is a style of another kind: it has neither categories nor a palette.</source>
            <translation>{} 是另一种样式：既无分类也无调色板。</translation>
        </message>
        <message>
            <source>{} cannot be written: {}.</source>
            <translation>无法写入 {}：{}。</translation>
        </message>
        <message>
            <source>{} cannot be read: {}.</source>
            <translation>无法读取 {}：{}。</translation>
        </message>
        <message>
            <source>The imported spectra in {} are of other bands; import them again.</source>
            <translation>{} 中导入的光谱属于其他波段；请重新导入。</translation>
        </message>
        <message>
            <source>{} cannot be written, so unsaved polygons were not recovered.</source>
            <translation>无法写入 {}，因此未恢复未保存的多边形。</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}.</source>
            <translation>无法写入 {path}：{reason}。</translation>
        </message>
        <message>
            <source>The field '{field}' of '{layer}' holds the class {value}; classes are whole numbers from 1 to {most}. Choose another field, or renumber them.</source>
            <translation>图层“{layer}”的字段“{field}”含类别 {value}；类别须为 1 到 {most} 的整数。请选择其他字段，或重新编号。</translation>
        </message>
        <message>
            <source>{} has more than {} values; it holds no classes.</source>
            <translation>{} 有超过 {} 个值；其中没有类别。</translation>
        </message>
        <message>
            <source>{} has {} regions, too many to be edited as polygons; train with the raster itself, in the Processing Toolbox.</source>
            <translation>{} 有 {} 个区域，太多而无法作为多边形编辑；请在处理工具箱中直接用该栅格训练。</translation>
        </message>
        <message>
            <source>{} is in a folder that cannot be written, so its polygons are read-only.</source>
            <translation>{} 所在的文件夹不可写，因此其多边形为只读。</translation>
        </message>
        <message>
            <source>Another QGIS (process {pid} on {host}) edits {file}; here its polygons are read-only. If that QGIS is gone, delete {lock}.</source>
            <translation>另一个 QGIS（主机 {host} 上的进程 {pid}）正在编辑 {file}；此处其多边形为只读。如果那个 QGIS 已不在运行，请删除 {lock}。</translation>
        </message>
        <message>
            <source>{layer} cannot be brought from its coordinate system, {own}, to the scene's, {scene}; check both.</source>
            <translation>无法将 {layer} 从其坐标系 {own} 转换到影像的坐标系 {scene}；请检查两者。</translation>
        </message>
        <message>
            <source>The coordinate system of {}, {}, is of no place; the scene's was taken.</source>
            <translation>{} 的坐标系 {} 不对应实际位置；已采用影像的坐标系。</translation>
        </message>
        <message>
            <source>{} has no coordinate system; the scene's was taken.</source>
            <translation>{} 没有坐标系；已采用影像的坐标系。</translation>
        </message>
        <message>
            <source>Without a place in the scene's coordinate system, not taken: {}</source>
            <translation>在影像的坐标系中没有位置，未采用：{}</translation>
        </message>
        <message>
            <source>{} cannot be read.</source>
            <translation>无法读取 {}。</translation>
        </message>
        <message>
            <source>{} is not written; choose .csv, .sli or .gpkg.</source>
            <translation>无法写出 {}；请选择 .csv、.sli 或 .gpkg。</translation>
        </message>
        <message>
            <source>{} cannot be opened as training polygons.</source>
            <translation>无法将 {} 作为训练多边形打开。</translation>
        </message>
        <message>
            <source>No class</source>
            <translation>无类别</translation>
        </message>
    </context>
    <context>
        <name>MapLegend</name>
        <message>
            <source>Class</source>
            <translation>类别</translation>
        </message>
        <message>
            <source>Pixels</source>
            <translation>像元</translation>
        </message>
        <message>
            <source>Area</source>
            <translation>面积</translation>
        </message>
        <message>
            <source>Pixels and area of each class in the map; right click: hide it, its opacity</source>
            <translation>地图中各类别的像元数和面积；右键：隐藏类别、设置其不透明度</translation>
        </message>
        <message>
            <source>The map has a style of your own, without classes.</source>
            <translation>地图采用您自定的样式，其中没有类别。</translation>
        </message>
        <message>
            <source>Show the class in the map; its opacity: {}</source>
            <translation>在地图中显示该类别；其不透明度：{}</translation>
        </message>
        <message>
            <source>Hide the Class</source>
            <translation>隐藏类别</translation>
        </message>
        <message>
            <source>Show the Class</source>
            <translation>显示类别</translation>
        </message>
        <message>
            <source>Show Only This Class</source>
            <translation>仅显示此类别</translation>
        </message>
        <message>
            <source>Show All Classes</source>
            <translation>显示所有类别</translation>
        </message>
        <message>
            <source>Opacity {}</source>
            <translation>不透明度 {}</translation>
        </message>
    </context>
    <context>
        <name>MapOptions</name>
        <message>
            <source>Stack of several</source>
            <translation>多分类器堆叠</translation>
        </message>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>Support vector machine</source>
            <translation>支持向量机</translation>
        </message>
        <message>
            <source>SVM, tuned by polygons</source>
            <translation>SVM（按多边形调参）</translation>
        </message>
        <message>
            <source>Random forest</source>
            <translation>随机森林</translation>
        </message>
        <message>
            <source>Another classifier, and filters for the finished map</source>
            <translation>其他分类器，以及对成图的滤波</translation>
        </message>
        <message>
            <source>spectra and surroundings</source>
            <translation>光谱与邻域</translation>
        </message>
        <message>
            <source>spectra only</source>
            <translation>仅光谱</translation>
        </message>
        <message>
            <source>The stack listens to several classifiers, and to MTMSD once the scene is pretrained; MTMSD alone learns from spectra and their surroundings on the pretrained model; the others see spectra only. All but MTMSD need no model and take seconds without one</source>
            <translation>堆叠综合多个分类器，影像预训练后也包括 MTMSD；MTMSD 单独使用时，在预训练模型上学习光谱及其周围；其他分类器只看光谱。除 MTMSD 外都不需要模型，此时只需数秒</translation>
        </message>
        <message>
            <source>Rare classes matter</source>
            <translation>重视稀少类别</translation>
        </message>
        <message>
            <source>Classes of few training pixels are found more often, at the cost of the large ones: a higher average accuracy, a little less overall accuracy</source>
            <translation>更多地找出训练像元少的类别，以大类别为代价：平均精度更高，总体精度略低</translation>
        </message>
        <message>
            <source> %</source>
            <translation> %</translation>
        </message>
        <message>
            <source>Pixels of lower confidence get a class of their own, 'unknown'</source>
            <translation>置信度较低的像元归入单独的类别 'unknown'</translation>
        </message>
        <message>
            <source>Off</source>
            <translation>关</translation>
        </message>
        <message>
            <source>{0} × {0} px</source>
            <translation>{0} × {0} px</translation>
        </message>
        <message>
            <source>Each pixel gets the most frequent class of the square around it</source>
            <translation>每个像元取其周围方块中最常见的类别</translation>
        </message>
        <message>
            <source> px</source>
            <translation> px</translation>
        </message>
        <message>
            <source>Minimum mapping unit: smaller regions join their largest neighbour</source>
            <translation>最小制图单元：较小的区域并入其最大的相邻区域</translation>
        </message>
        <message>
            <source>By the polygons</source>
            <translation>按多边形</translation>
        </message>
        <message>
            <source>Side of the squares in which regions with true edges begin</source>
            <translation>真实边界区域初始方块的边长</translation>
        </message>
        <message>
            <source>Unknown below</source>
            <translation>低于此值为未知</translation>
        </message>
        <message>
            <source>Smooth by majority</source>
            <translation>众数平滑</translation>
        </message>
        <message>
            <source>Smallest region</source>
            <translation>最小区域</translation>
        </message>
        <message>
            <source>Size of regions</source>
            <translation>区域大小</translation>
        </message>
        <message>
            <source>rare classes</source>
            <translation>稀少类别</translation>
        </message>
        <message>
            <source>filters</source>
            <translation>滤波</translation>
        </message>
        <message>
            <source>More</source>
            <translation>更多</translation>
        </message>
    </context>
    <context>
        <name>MapProducts</name>
        <message>
            <source>Polygoni&amp;ze</source>
            <translation>矢量化(&amp;Z)</translation>
        </message>
        <message>
            <source>Regions with True E&amp;dges</source>
            <translation>真实边界区域(&amp;D)</translation>
        </message>
        <message>
            <source>Where to Label Ne&amp;xt</source>
            <translation>下一步标注何处(&amp;X)</translation>
        </message>
        <message>
            <source>The map's regions with class, area and confidence, as a GeoPackage</source>
            <translation>地图的各区域，含类别、面积和置信度，存为 GeoPackage</translation>
        </message>
        <message>
            <source>Regions that are learnt with their classes from the training polygons, with the share of each class, and what they cost beside this map</source>
            <translation>由训练多边形将区域与其类别一同学习，给出各类别的比例，以及与此地图相比的精度代价</translation>
        </message>
        <message>
            <source>20 places in doubt, spread over the scene, to be labelled</source>
            <translation>影像各处 20 个存疑之处，供标注</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>请先“影像制图”。</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>请先绘制训练多边形。</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>分类器的文件已不存在；请再次单击“影像制图”。</translation>
        </message>
        <message>
            <source>Outlining the map's regions</source>
            <translation>正在勾绘地图的区域</translation>
        </message>
        <message>
            <source>Learning regions with true edges</source>
            <translation>正在学习真实边界区域</translation>
        </message>
        <message>
            <source>Looking for places to label</source>
            <translation>正在寻找待标注之处</translation>
        </message>
        <message>
            <source>Mapping with probabilities</source>
            <translation>正在带概率制图</translation>
        </message>
        <message>
            <source>Polygons</source>
            <translation>多边形</translation>
        </message>
        <message>
            <source>{polygons} outline the map's regions: {file}</source>
            <translation>{polygons}勾勒出地图的区域：{file}</translation>
        </message>
        <message>
            <source>Class map of the regions</source>
            <translation>区域的类别图</translation>
        </message>
        <message>
            <source>Regions with true edges</source>
            <translation>真实边界区域</translation>
        </message>
        <message>
            <source>{count} regions with true edges.</source>
            <translation>{count} 个真实边界区域。</translation>
        </message>
        <message>
            <source>Held-out pixels that have the class of their region: {overall}; at best, with these regions: {achievable}.</source>
            <translation>与所在区域类别一致的预留像元：{overall}；采用这些区域最多可达：{achievable}。</translation>
        </message>
        <message>
            <source>The map of single pixels: {}.</source>
            <translation>逐像元的地图：{}。</translation>
        </message>
        <message>
            <source>Report: {}</source>
            <translation>报告：{}</translation>
        </message>
        <message>
            <source>Points to label</source>
            <translation>待标注的点</translation>
        </message>
        <message>
            <source>{} cannot be opened as a vector layer.</source>
            <translation>无法将 {} 作为矢量图层打开。</translation>
        </message>
    </context>
    <context>
        <name>MapSection</name>
        <message>
            <source>6  Map</source>
            <translation>6  地图</translation>
        </message>
        <message>
            <source>Previe&amp;w</source>
            <translation>预览(&amp;W)</translation>
        </message>
        <message>
            <source>&amp;Map Scene</source>
            <translation>影像制图(&amp;M)</translation>
        </message>
        <message>
            <source>Map what the map window shows, as a temporary layer</source>
            <translation>对地图窗口所示部分制图，作为临时图层</translation>
        </message>
        <message>
            <source>Map the whole raster into a GeoTIFF, with its confidence</source>
            <translation>将整幅栅格制图为 GeoTIFF，附置信度</translation>
        </message>
        <message>
            <source>Models…</source>
            <translation>模型…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>What was learned: look, use, rename, export, delete, free disk space</source>
            <translation>已学得的模型：查看、使用、重命名、导出、删除、释放磁盘空间</translation>
        </message>
        <message>
            <source>Polygons or classifier have changed since {}.</source>
            <translation>自 {} 以来多边形或分类器已更改。</translation>
        </message>
        <message>
            <source>The filters have changed since {}.</source>
            <translation>自 {} 以来滤波已更改。</translation>
        </message>
        <message>
            <source>Map: {}</source>
            <translation>地图：{}</translation>
        </message>
        <message>
            <source>Ready to map.</source>
            <translation>可以制图。</translation>
        </message>
        <message>
            <source>Ready for a first map, without pretraining.</source>
            <translation>可以制作第一幅图，无需预训练。</translation>
        </message>
        <message>
            <source>From a library alone: {}.</source>
            <translation>仅来自光谱库：{}。</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>正在等待栅格的波段。</translation>
        </message>
        <message>
            <source>Pretrain the scene first, or choose another classifier under More.</source>
            <translation>请先对影像预训练，或在“更多”下选择其他分类器。</translation>
        </message>
        <message>
            <source>Draw training polygons first.</source>
            <translation>请先绘制训练多边形。</translation>
        </message>
        <message>
            <source>The classifier MTMSD cannot learn spectra; choose another under More, or use none of them for training.</source>
            <translation>分类器 MTMSD 无法学习光谱；请在“更多”下选择其他分类器，或不用任何光谱训练。</translation>
        </message>
        <message>
            <source>Draw polygons of at least two classes.</source>
            <translation>请至少绘制两个类别的多边形。</translation>
        </message>
        <message>
            <source>Draw more of {}: each class needs {} pixels.</source>
            <translation>请多画一些 {}：每个类别需要 {} 个像元。</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>请等待运行中的任务结束。</translation>
        </message>
        <message>
            <source>The map window shows no part of the scene; zoom to it first.</source>
            <translation>地图窗口未显示影像的任何部分；请先缩放至影像。</translation>
        </message>
        <message>
            <source>Learning the classes</source>
            <translation>正在学习类别</translation>
        </message>
        <message>
            <source>Mapping the view</source>
            <translation>正在对视图制图</translation>
        </message>
        <message>
            <source>Mapping the scene</source>
            <translation>正在对影像制图</translation>
        </message>
        <message>
            <source>Canceled; nothing was changed.</source>
            <translation>已取消；未作任何更改。</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>类别图</translation>
        </message>
        <message>
            <source>Preview</source>
            <translation>预览</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>无法将 {} 作为栅格打开。</translation>
        </message>
    </context>
    <context>
        <name>MapView</name>
        <message>
            <source>What the map was made with</source>
            <translation>制图所用的模型</translation>
        </message>
        <message>
            <source>Opacity of the map over the scene</source>
            <translation>地图叠加于影像的不透明度</translation>
        </message>
        <message>
            <source>Con&amp;fidence</source>
            <translation>置信度(&amp;F)</translation>
        </message>
        <message>
            <source>Map Scene writes the confidence too.</source>
            <translation>“影像制图”也会写出置信度。</translation>
        </message>
        <message>
            <source>Opacit&amp;y</source>
            <translation>不透明度(&amp;Y)</translation>
        </message>
        <message>
            <source>Show how sure the classifier is, from 0 to 1</source>
            <translation>显示分类器的把握，0 到 1</translation>
        </message>
        <message>
            <source>Confidence</source>
            <translation>置信度</translation>
        </message>
    </context>
    <context>
        <name>MaskRow</name>
        <message>
            <source>No mask</source>
            <translation>无掩膜</translation>
        </message>
        <message>
            <source>Clouds, shadow, water to leave out: polygons, a raster on the scene's grid (all but 0), or the masks that come with a scene of EnMAP, EMIT or PRISMA</source>
            <translation>要舍去的云、阴影、水体：多边形、与影像同一格网的栅格（除 0 以外的全部），或 EnMAP、EMIT、PRISMA 影像自带的掩膜</translation>
        </message>
        <message>
            <source>What of a raster mask is meant: bits=10,11 or values=3,8; empty: all but 0</source>
            <translation>栅格掩膜中哪些算作掩膜：bits=10,11 或 values=3,8；留空：除 0 以外的全部</translation>
        </message>
        <message>
            <source>A mask is remembered by its file, and the layer {} has none; save it as one.</source>
            <translation>掩膜按其文件记录，而图层 {} 没有文件；请将其另存为文件。</translation>
        </message>
        <message>
            <source>Masks of the product</source>
            <translation>产品自带的掩膜</translation>
        </message>
    </context>
    <context>
        <name>MatrixView</name>
        <message>
            <source>Map</source>
            <translation>地图</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>参考</translation>
        </message>
        <message>
            <source>{} pixels of {} are mapped as {}</source>
            <translation>{} 个 {} 的像元被绘为 {}</translation>
        </message>
    </context>
    <context>
        <name>ModelsDialog</name>
        <message>
            <source>Models of {}</source>
            <translation>{} 的模型</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>名称</translation>
        </message>
        <message>
            <source>Kind</source>
            <translation>类型</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>大小</translation>
        </message>
        <message>
            <source>Date</source>
            <translation>日期</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>影像</translation>
        </message>
        <message>
            <source>&amp;Use</source>
            <translation>使用(&amp;U)</translation>
        </message>
        <message>
            <source>Re&amp;name…</source>
            <translation>重命名(&amp;N)…</translation>
        </message>
        <message>
            <source>E&amp;xport…</source>
            <translation>导出(&amp;X)…</translation>
        </message>
        <message>
            <source>&amp;Delete…</source>
            <translation>删除(&amp;D)…</translation>
        </message>
        <message>
            <source>&amp;Free Disk Space…</source>
            <translation>释放磁盘空间(&amp;F)…</translation>
        </message>
        <message>
            <source>In use for {}.</source>
            <translation>正用于 {}。</translation>
        </message>
        <message>
            <source>No model is selected.</source>
            <translation>未选择模型。</translation>
        </message>
        <message>
            <source>Select a model.</source>
            <translation>请选择一个模型。</translation>
        </message>
        <message>
            <source>Map the scene with this classifier now</source>
            <translation>立即用此分类器对影像制图</translation>
        </message>
        <message>
            <source>Take this diffusion model for the scene</source>
            <translation>将此扩散模型用于该影像</translation>
        </message>
        <message>
            <source>Give the file another name</source>
            <translation>为文件另取名称</translation>
        </message>
        <message>
            <source>Copy the file; one with a network also as ONNX</source>
            <translation>复制文件；含网络的也可导出为 ONNX</translation>
        </message>
        <message>
            <source>Delete the file, after a question</source>
            <translation>确认后删除文件</translation>
        </message>
        <message>
            <source>The scene has no folder yet.</source>
            <translation>影像尚无文件夹。</translation>
        </message>
        <message>
            <source>Delete earlier maps, reports and checkpoints of this scene that nothing shows or needs any more, after a question; models and polygons stay</source>
            <translation>确认后删除此影像早先的、不再显示或需要的地图、报告和检查点；模型和多边形保留</translation>
        </message>
        <message>
            <source>Rename Model</source>
            <translation>重命名模型</translation>
        </message>
        <message>
            <source>Delete {}? This cannot be undone.</source>
            <translation>删除 {}？此操作无法撤销。</translation>
        </message>
        <message>
            <source>MTMSD model (*.safetensors)</source>
            <translation>MTMSD 模型 (*.safetensors)</translation>
        </message>
        <message>
            <source>ONNX (*.onnx)</source>
            <translation>ONNX (*.onnx)</translation>
        </message>
        <message>
            <source>Export Model</source>
            <translation>导出模型</translation>
        </message>
        <message>
            <source>{} is the file itself; choose another.</source>
            <translation>{} 就是该文件本身；请另选一个。</translation>
        </message>
        <message>
            <source>The model was saved to {}.</source>
            <translation>模型已保存到 {}。</translation>
        </message>
        <message>
            <source>{} is no classifier with a diffusion network; only those are written as ONNX. Export it as .safetensors.</source>
            <translation>{} 不是含扩散网络的分类器；只有这类分类器能写为 ONNX。请导出为 .safetensors。</translation>
        </message>
        <message>
            <source>Exporting {}</source>
            <translation>正在导出 {}</translation>
        </message>
        <message>
            <source>The classifier was exported to {}.</source>
            <translation>分类器已导出到 {}。</translation>
        </message>
        <message>
            <source>Nothing to delete: all files of {} are needed.</source>
            <translation>没有可删除的文件：{} 的所有文件都还需要。</translation>
        </message>
        <message>
            <source>Files of earlier maps: {count}, {size}. Delete them? Neither this project nor the scene needs them; another project that shows them loses them. This cannot be undone.</source>
            <translation>早先地图的文件：{count} 个，{size}。要删除吗？本工程和影像都不需要它们；显示它们的其他工程将失去它们。此操作无法撤销。</translation>
        </message>
        <message>
            <source>{} are free now.</source>
            <translation>已释放 {}。</translation>
        </message>
        <message>
            <source>A job works in {}; wait until it has ended.</source>
            <translation>有任务正在 {} 中运行；请等待其结束。</translation>
        </message>
        <message>
            <source>Delete</source>
            <translation>删除</translation>
        </message>
    </context>
    <context>
        <name>MoreSettings</name>
        <message>
            <source>More settings</source>
            <translation>更多设置</translation>
        </message>
        <message>
            <source>Seldom needed; the Processing help lists every number</source>
            <translation>很少需要；处理帮助列出了每个数值</translation>
        </message>
        <message>
            <source>The same seed on the same machine gives the same map</source>
            <translation>同一机器上相同的种子得到相同的地图</translation>
        </message>
        <message>
            <source>Bands to leave out besides the bad ones that are found</source>
            <translation>除已找出的坏波段外还要舍去的波段</translation>
        </message>
        <message>
            <source>Single numbers of the preset, as KEY=VALUE</source>
            <translation>预设中的个别数值，写作 KEY=VALUE</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>种子</translation>
        </message>
        <message>
            <source>Leave &amp;out</source>
            <translation>舍去(&amp;O)</translation>
        </message>
        <message>
            <source>Num&amp;bers</source>
            <translation>数值(&amp;B)</translation>
        </message>
    </context>
    <context>
        <name>MtmsdDock</name>
        <message>
            <source>MTMSD</source>
            <translation>MTMSD</translation>
        </message>
        <message>
            <source>choose a hyperspectral raster, or open one.</source>
            <translation>选择高光谱栅格，或打开一个。</translation>
        </message>
        <message>
            <source>learn the scene without labels, in the background.</source>
            <translation>在后台无标签地学习影像。</translation>
        </message>
        <message>
            <source>add classes, or take them from a layer.</source>
            <translation>添加类别，或从图层取得。</translation>
        </message>
        <message>
            <source>draw some polygons of each class.</source>
            <translation>为每个类别绘制一些多边形。</translation>
        </message>
        <message>
            <source>see whether the classes can be told apart.</source>
            <translation>查看各类别能否区分。</translation>
        </message>
        <message>
            <source>preview what you see, then map the scene.</source>
            <translation>预览当前视图，然后对影像制图。</translation>
        </message>
        <message>
            <source>how far the map can be trusted.</source>
            <translation>了解地图的可信程度。</translation>
        </message>
        <message>
            <source>No browser opens the page; it is {}.</source>
            <translation>没有浏览器能打开该页面；页面位于 {}。</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>引擎就绪。</translation>
        </message>
        <message>
            <source>{} came to its end while QGIS was closed.</source>
            <translation>{} 在 QGIS 关闭期间结束。</translation>
        </message>
        <message>
            <source>{} is done after {}.</source>
            <translation>{} 已完成，用时 {}。</translation>
        </message>
        <message>
            <source>{} was removed; the running job goes on with its file.</source>
            <translation>{} 已移除；运行中的任务继续使用其文件。</translation>
        </message>
    </context>
    <context>
        <name>OtherScenes</name>
        <message>
            <source>Map Other Scenes…</source>
            <translation>其他影像制图…</translation>
        </message>
        <message>
            <source>Map layers, files or the scenes of a folder with this scene's classifier</source>
            <translation>用此影像的分类器对图层、文件或文件夹中的影像制图</translation>
        </message>
        <message>
            <source>Map Scene comes first.</source>
            <translation>请先“影像制图”。</translation>
        </message>
        <message>
            <source>The classifier's file is gone; press Map Scene once more.</source>
            <translation>分类器的文件已不存在；请再次单击“影像制图”。</translation>
        </message>
        <message>
            <source>Mapping other scenes</source>
            <translation>正在对其他影像制图</translation>
        </message>
        <message>
            <source>Canceled; the finished maps are in {}. The same scenes and folder go on there.</source>
            <translation>已取消；已完成的地图在 {} 中。选择相同的影像和文件夹可接着进行。</translation>
        </message>
        <message>
            <source>Other scenes</source>
            <translation>其他影像</translation>
        </message>
        <message>
            <source>{count} of {all} scenes were mapped into {folder}.</source>
            <translation>{all} 幅影像中有 {count} 幅已制图，写入 {folder}。</translation>
        </message>
        <message>
            <source>Class map</source>
            <translation>类别图</translation>
        </message>
        <message>
            <source>{} cannot be opened as a raster.</source>
            <translation>无法将 {} 作为栅格打开。</translation>
        </message>
    </context>
    <context>
        <name>OtherScenesDialog</name>
        <message>
            <source>Map Other Scenes</source>
            <translation>其他影像制图</translation>
        </message>
        <message>
            <source>Scene</source>
            <translation>影像</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>波段</translation>
        </message>
        <message>
            <source>Result</source>
            <translation>结果</translation>
        </message>
        <message>
            <source>Those with as many bands as the scene are ticked; tick or untick others.</source>
            <translation>波段数与此影像相同的已勾选；可另行勾选或取消勾选。</translation>
        </message>
        <message>
            <source>Gets a class map for each scene, of the scene's name</source>
            <translation>每幅影像写入一幅类别图，以影像命名</translation>
        </message>
        <message>
            <source>One mosaic of all maps, for scenes on one grid</source>
            <translation>将所有地图拼成一幅镶嵌图，用于同一格网的影像</translation>
        </message>
        <message>
            <source>Where maps overlap, their probabilities are blended.</source>
            <translation>地图重叠处融合其概率。</translation>
        </message>
        <message>
            <source>Leave out the clouds and shadows that products mark</source>
            <translation>舍去产品标记的云和阴影</translation>
        </message>
        <message>
            <source>Of scenes of EnMAP, EMIT or PRISMA</source>
            <translation>适用于 EnMAP、EMIT 或 PRISMA 的影像</translation>
        </message>
        <message>
            <source>Folder of the maps</source>
            <translation>地图文件夹</translation>
        </message>
        <message>
            <source>Add Files…</source>
            <translation>添加文件…</translation>
        </message>
        <message>
            <source>Add Folder…</source>
            <translation>添加文件夹…</translation>
        </message>
        <message>
            <source>Tick All</source>
            <translation>全部勾选</translation>
        </message>
        <message>
            <source>Untick All</source>
            <translation>全部取消勾选</translation>
        </message>
        <message>
            <source>Map Scenes</source>
            <translation>影像制图</translation>
        </message>
        <message>
            <source>Cancel Job</source>
            <translation>取消任务</translation>
        </message>
        <message>
            <source>Finished maps are kept</source>
            <translation>已完成的地图会保留</translation>
        </message>
        <message>
            <source>Close</source>
            <translation>关闭</translation>
        </message>
        <message>
            <source>A job goes on without this window</source>
            <translation>关闭此窗口后任务继续进行</translation>
        </message>
        <message>
            <source>Mapped: {}</source>
            <translation>已制图：{}</translation>
        </message>
        <message>
            <source>Add Scenes</source>
            <translation>添加影像</translation>
        </message>
        <message>
            <source>Add the Scenes of a Folder</source>
            <translation>添加文件夹中的影像</translation>
        </message>
        <message>
            <source>There is no raster in this folder.</source>
            <translation>此文件夹中没有栅格。</translation>
        </message>
        <message>
            <source>Classifier: {}</source>
            <translation>分类器：{}</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>请等待运行中的任务结束。</translation>
        </message>
        <message>
            <source>Choose scenes: tick them in the list, or add files or a folder.</source>
            <translation>请选择影像：在列表中勾选，或添加文件或文件夹。</translation>
        </message>
        <message>
            <source>Choose the folder of the maps.</source>
            <translation>请选择地图文件夹。</translation>
        </message>
        <message>
            <source>Map the ticked scenes with this classifier</source>
            <translation>用此分类器对勾选的影像制图</translation>
        </message>
    </context>
    <context>
        <name>PlanPage</name>
        <message>
            <source>Learns, trains, maps and assesses, with PyTorch</source>
            <translation>学习、训练、制图和评估，使用 PyTorch</translation>
        </message>
        <message>
            <source>Classifies and assesses with models that others trained</source>
            <translation>用他人训练的模型分类和评估</translation>
        </message>
        <message>
            <source>For which device the packages are installed</source>
            <translation>为哪种设备安装软件包</translation>
        </message>
        <message>
            <source>Where the environment will lie; an update of the plugin does not touch it</source>
            <translation>环境所在之处；更新插件不会影响它</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>设备(&amp;V)</translation>
        </message>
        <message>
            <source>Fol&amp;der</source>
            <translation>文件夹(&amp;D)</translation>
        </message>
        <message>
            <source>An index of packages that replaces the ordinary one, PyTorch's too</source>
            <translation>替代常用索引的软件包索引，也用于 PyTorch</translation>
        </message>
        <message>
            <source>http://user[:password]@host:port; empty: the one QGIS has</source>
            <translation>http://user[:password]@host:port；留空：采用 QGIS 的</translation>
        </message>
        <message>
            <source>A folder of wheels, for a machine without network; then none is used</source>
            <translation>wheel 文件夹，供没有网络的机器；此时不使用网络</translation>
        </message>
        <message>
            <source>The Python to build from, or that of an environment that has everything</source>
            <translation>用来构建的 Python，或已含全部库的环境的 Python</translation>
        </message>
        <message>
            <source>Advanced</source>
            <translation>高级</translation>
        </message>
        <message>
            <source>&amp;Index URL</source>
            <translation>索引 URL(&amp;I)</translation>
        </message>
        <message>
            <source>Pro&amp;xy</source>
            <translation>代理(&amp;X)</translation>
        </message>
        <message>
            <source>&amp;Wheel folder</source>
            <translation>wheel 文件夹(&amp;W)</translation>
        </message>
        <message>
            <source>P&amp;ython</source>
            <translation>Python(&amp;Y)</translation>
        </message>
        <message>
            <source>the ordinary one</source>
            <translation>常用索引</translation>
        </message>
        <message>
            <source>none</source>
            <translation>无</translation>
        </message>
        <message>
            <source>the best that is there</source>
            <translation>现有最佳者</translation>
        </message>
        <message>
            <source>&amp;Everything</source>
            <translation>全部(&amp;E)</translation>
        </message>
        <message>
            <source>Classify &amp;only</source>
            <translation>仅分类(&amp;O)</translation>
        </message>
        <message>
            <source>{} (≈ {})</source>
            <translation>{}（≈ {}）</translation>
        </message>
        <message>
            <source>Looking at this machine…</source>
            <translation>正在查看本机…</translation>
        </message>
        <message>
            <source>{} (Python {}) has all the engine's libraries already: nothing is installed.</source>
            <translation>{}（Python {}）已有引擎的全部库：无需安装。</translation>
        </message>
    </context>
    <context>
        <name>PolygonsSection</name>
        <message>
            <source>4  Polygons</source>
            <translation>4  多边形</translation>
        </message>
        <message>
            <source>Draw a polygon; right or double click ends it</source>
            <translation>绘制多边形；右键或双击结束</translation>
        </message>
        <message>
            <source>Drag a rectangle</source>
            <translation>拖出矩形</translation>
        </message>
        <message>
            <source>Drag an outline freehand</source>
            <translation>徒手拖出轮廓</translation>
        </message>
        <message>
            <source>Click a pixel: similar neighbours join it</source>
            <translation>单击一个像元：相似的相邻像元会并入</translation>
        </message>
        <message>
            <source>There is nothing to undo.</source>
            <translation>没有可撤销的操作。</translation>
        </message>
        <message>
            <source>There is nothing to redo.</source>
            <translation>没有可重做的操作。</translation>
        </message>
        <message>
            <source>Select polygons</source>
            <translation>选择多边形</translation>
        </message>
        <message>
            <source>Move vertices of a polygon</source>
            <translation>移动多边形的顶点</translation>
        </message>
        <message>
            <source>Move polygons</source>
            <translation>移动多边形</translation>
        </message>
        <message>
            <source>Delete the selected polygons</source>
            <translation>删除所选的多边形</translation>
        </message>
        <message>
            <source>Save the polygons to their file</source>
            <translation>将多边形保存到文件</translation>
        </message>
        <message>
            <source>How far a pixel's spectrum may be from the clicked one</source>
            <translation>像元的光谱可与所单击者相差多少</translation>
        </message>
        <message>
            <source>Add Re&amp;gion</source>
            <translation>添加区域(&amp;G)</translation>
        </message>
        <message>
            <source>Take the shown region as a polygon (right click, Enter)</source>
            <translation>将所示区域取为多边形（右键、回车）</translation>
        </message>
        <message>
            <source>Tolerance</source>
            <translation>容差</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>Wait until the layer has been read.</source>
            <translation>请等待图层读取完毕。</translation>
        </message>
        <message>
            <source>Add a class first, and select it.</source>
            <translation>请先添加类别并选中它。</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>正在等待栅格的波段。</translation>
        </message>
        <message>
            <source>There are no polygons yet.</source>
            <translation>尚无多边形。</translation>
        </message>
        <message>
            <source>All polygons are saved.</source>
            <translation>所有多边形均已保存。</translation>
        </message>
        <message>
            <source>Draw some polygons of {}.</source>
            <translation>请绘制一些 {} 的多边形。</translation>
        </message>
        <message>
            <source>{}; drawing {}</source>
            <translation>{}；正在绘制 {}</translation>
        </message>
        <message>
            <source>not saved</source>
            <translation>未保存</translation>
        </message>
        <message>
            <source>Undo: {}</source>
            <translation>撤销：{}</translation>
        </message>
        <message>
            <source>Redo: {}</source>
            <translation>重做：{}</translation>
        </message>
        <message>
            <source>Click the corners; right or double click ends, Escape drops it.</source>
            <translation>单击各顶点；右键或双击结束，Esc 放弃。</translation>
        </message>
        <message>
            <source>Drag from corner to corner.</source>
            <translation>从一角拖到另一角。</translation>
        </message>
        <message>
            <source>Hold the button and go around.</source>
            <translation>按住鼠标键绕行一周。</translation>
        </message>
        <message>
            <source>Click a pixel, then move the slider; right click takes the region.</source>
            <translation>单击一个像元，再移动滑块；右键取得区域。</translation>
        </message>
        <message>
            <source>The polygon cannot be brought into the scene's coordinates.</source>
            <translation>无法将多边形转换到影像的坐标。</translation>
        </message>
        <message>
            <source>The polygon is outside the scene and was not added.</source>
            <translation>多边形在影像之外，未添加。</translation>
        </message>
        <message>
            <source>The polygon crossed itself and was mended into {} parts.</source>
            <translation>多边形自相交，已修复为 {} 个部分。</translation>
        </message>
        <message>
            <source>{}; right click or Add Region takes the region.</source>
            <translation>{}；右键或“添加区域”可取得区域。</translation>
        </message>
        <message>
            <source>There is no region yet: press the tool that grows, then click a pixel.</source>
            <translation>尚无区域：请单击区域生长工具，再单击一个像元。</translation>
        </message>
        <message>
            <source>Select polygons first.</source>
            <translation>请先选择多边形。</translation>
        </message>
        <message>
            <source>Delete polygons</source>
            <translation>删除多边形</translation>
        </message>
    </context>
    <context>
        <name>PretrainingSection</name>
        <message>
            <source>2  Pretraining</source>
            <translation>2  预训练</translation>
        </message>
        <message>
            <source>Pretraining</source>
            <translation>预训练</translation>
        </message>
        <message>
            <source>Quick – a first look</source>
            <translation>快速 – 初看</translation>
        </message>
        <message>
            <source>Balanced – good maps</source>
            <translation>均衡 – 好的地图</translation>
        </message>
        <message>
            <source>Paper – as published, needs a GPU</source>
            <translation>论文 – 按发表，需要 GPU</translation>
        </message>
        <message>
            <source>How long and how large the model learns</source>
            <translation>模型学习的时长和规模</translation>
        </message>
        <message>
            <source>Automatic</source>
            <translation>自动</translation>
        </message>
        <message>
            <source>CPU</source>
            <translation>CPU</translation>
        </message>
        <message>
            <source>NVIDIA GPU</source>
            <translation>NVIDIA GPU</translation>
        </message>
        <message>
            <source>Apple GPU</source>
            <translation>Apple GPU</translation>
        </message>
        <message>
            <source>Where the engine pretrains, trains and maps; automatic takes a GPU if any</source>
            <translation>引擎在何处预训练、训练和制图；“自动”在有 GPU 时使用它</translation>
        </message>
        <message>
            <source>&amp;Preset</source>
            <translation>预设(&amp;P)</translation>
        </message>
        <message>
            <source>De&amp;vice</source>
            <translation>设备(&amp;V)</translation>
        </message>
        <message>
            <source>P&amp;retrain</source>
            <translation>预训练(&amp;R)</translation>
        </message>
        <message>
            <source>Take a model that exists, of this scene or one of the same sensor…</source>
            <translation>采用已有的模型，属于此影像或同一传感器的影像…</translation>
        </message>
        <message>
            <source>The loss of pretraining: it falls fast, then slowly</source>
            <translation>预训练的损失：先快后慢地下降</translation>
        </message>
        <message>
            <source>Found the model {} of this scene.</source>
            <translation>找到此影像的模型 {}。</translation>
        </message>
        <message>
            <source>Pa&amp;use</source>
            <translation>暂停(&amp;U)</translation>
        </message>
        <message>
            <source>Stop after the present step; what was learned is kept</source>
            <translation>在当前步骤后停止；已学到的会保留</translation>
        </message>
        <message>
            <source>&amp;Resume</source>
            <translation>继续(&amp;R)</translation>
        </message>
        <message>
            <source>Learn the scene in the background; go on drawing meanwhile</source>
            <translation>在后台学习影像；期间可继续绘制</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>Wait until the running job has ended.</source>
            <translation>请等待运行中的任务结束。</translation>
        </message>
        <message>
            <source>Paused; Resume goes on from the last checkpoint.</source>
            <translation>已暂停；“继续”从最后的检查点接着进行。</translation>
        </message>
        <message>
            <source>Model: {}</source>
            <translation>模型：{}</translation>
        </message>
        <message>
            <source>No model yet: press Pretrain.</source>
            <translation>尚无模型：请单击“预训练”。</translation>
        </message>
        <message>
            <source>Waiting for the raster's bands.</source>
            <translation>正在等待栅格的波段。</translation>
        </message>
        <message>
            <source>Pausing: writing a checkpoint…</source>
            <translation>正在暂停：写出检查点…</translation>
        </message>
        <message>
            <source>Taking up the job that went on without QGIS…</source>
            <translation>正在接上在 QGIS 之外继续的任务…</translation>
        </message>
        <message>
            <source>Starting the engine…</source>
            <translation>正在启动引擎…</translation>
        </message>
        <message>
            <source>{} {} of {}</source>
            <translation>{} {} / {}</translation>
        </message>
        <message>
            <source>{} left</source>
            <translation>剩余 {}</translation>
        </message>
        <message>
            <source>Choose a Diffusion Model</source>
            <translation>选择扩散模型</translation>
        </message>
        <message>
            <source>Diffusion models (*.safetensors)</source>
            <translation>扩散模型 (*.safetensors)</translation>
        </message>
        <message>
            <source>{} is not a diffusion model.</source>
            <translation>{} 不是扩散模型。</translation>
        </message>
        <message>
            <source>{} was learned on a raster with other bands.</source>
            <translation>{} 是在其他波段的栅格上学得的。</translation>
        </message>
        <message>
            <source>The model is of another scene of the same sensor.</source>
            <translation>该模型来自同一传感器的另一幅影像。</translation>
        </message>
    </context>
    <context>
        <name>ProgressPage</name>
        <message>
            <source>What the tools said</source>
            <translation>工具的输出</translation>
        </message>
        <message>
            <source>Log</source>
            <translation>日志</translation>
        </message>
        <message>
            <source>The engine is ready.</source>
            <translation>引擎就绪。</translation>
        </message>
        <message>
            <source>Canceled; what was fetched is kept for the next time.</source>
            <translation>已取消；已下载的内容留待下次使用。</translation>
        </message>
        <message>
            <source>It computes on: {}. Open a scene and begin.</source>
            <translation>计算设备：{}。请打开影像并开始。</translation>
        </message>
    </context>
    <context>
        <name>ReferenceClasses</name>
        <message>
            <source>The field of the reference that holds the class</source>
            <translation>参考中含类别的字段</translation>
        </message>
        <message>
            <source>Reference</source>
            <translation>参考</translation>
        </message>
        <message>
            <source>Map</source>
            <translation>地图</translation>
        </message>
        <message>
            <source>Which class of the map each class of the reference is</source>
            <translation>参考的各个类别对应地图的哪个类别</translation>
        </message>
        <message>
            <source>Class field</source>
            <translation>类别字段</translation>
        </message>
        <message>
            <source>none: counts as wrong</source>
            <translation>无：按错误计</translation>
        </message>
        <message>
            <source>left out</source>
            <translation>舍去</translation>
        </message>
        <message>
            <source>The map's class for {}</source>
            <translation>{} 在地图中对应的类别</translation>
        </message>
    </context>
    <context>
        <name>Run</name>
        <message>
            <source>The Processing provider of MTMSD is not loaded.</source>
            <translation>MTMSD 的处理提供者未加载。</translation>
        </message>
        <message>
            <source>The algorithm cannot be started.</source>
            <translation>无法启动算法。</translation>
        </message>
        <message>
            <source>The algorithm failed; see its log.</source>
            <translation>算法失败；请查看其日志。</translation>
        </message>
    </context>
    <context>
        <name>SampleProject</name>
        <message>
            <source>The sample cannot be copied: {}</source>
            <translation>无法复制示例：{}</translation>
        </message>
        <message>
            <source>The sample, as you left it; delete {} to begin anew.</source>
            <translation>这是您上次留下的示例；删除 {} 可重新开始。</translation>
        </message>
        <message>
            <source>EnMAP Potsdam</source>
            <translation>EnMAP 波茨坦</translation>
        </message>
        <message>
            <source>Validation polygons</source>
            <translation>验证多边形</translation>
        </message>
        <message>
            <source>MTMSD sample: EnMAP Potsdam</source>
            <translation>MTMSD 示例：EnMAP 波茨坦</translation>
        </message>
        <message>
            <source>{path} cannot be written: {reason}</source>
            <translation>无法写入 {path}：{reason}</translation>
        </message>
        <message>
            <source>The sample is in {}, with classes and polygons: press Pretrain.</source>
            <translation>示例位于 {}，含类别和多边形：请单击“预训练”。</translation>
        </message>
    </context>
    <context>
        <name>SceneSection</name>
        <message>
            <source>1  Scene</source>
            <translation>1  影像</translation>
        </message>
        <message>
            <source>No scene chosen</source>
            <translation>未选择影像</translation>
        </message>
        <message>
            <source>The hyperspectral raster to map</source>
            <translation>要制图的高光谱栅格</translation>
        </message>
        <message>
            <source>Follow the layer tree: the active raster becomes the scene</source>
            <translation>跟随图层树：活动栅格成为影像</translation>
        </message>
        <message>
            <source>Open a raster, its header, a product's METADATA.XML or zip…</source>
            <translation>打开栅格、其头文件、产品的 METADATA.XML 或 zip…</translation>
        </message>
        <message>
            <source>Open the folder of a satellite product…</source>
            <translation>打开卫星产品文件夹…</translation>
        </message>
        <message>
            <source>Mask</source>
            <translation>掩膜</translation>
        </message>
        <message>
            <source>&amp;True Colour</source>
            <translation>真彩色(&amp;T)</translation>
        </message>
        <message>
            <source>Red 650, green 550, blue 470 nm</source>
            <translation>红 650、绿 550、蓝 470 nm</translation>
        </message>
        <message>
            <source>&amp;Infrared</source>
            <translation>红外(&amp;I)</translation>
        </message>
        <message>
            <source>Near infrared 860, red 650, green 550 nm</source>
            <translation>近红外 860、红 650、绿 550 nm</translation>
        </message>
        <message>
            <source>&amp;SWIR</source>
            <translation>短波红外(&amp;S)</translation>
        </message>
        <message>
            <source>Short-wave 2200, 1650 and near infrared 860 nm</source>
            <translation>短波 2200、1650 和近红外 860 nm</translation>
        </message>
        <message>
            <source>Size</source>
            <translation>大小</translation>
        </message>
        <message>
            <source>Columns × rows, and the size of a pixel</source>
            <translation>列 × 行，以及像元大小</translation>
        </message>
        <message>
            <source>Bands</source>
            <translation>波段</translation>
        </message>
        <message>
            <source>Bands used, of all in the file</source>
            <translation>所用波段，占文件全部波段</translation>
        </message>
        <message>
            <source>Wavelengths</source>
            <translation>波长</translation>
        </message>
        <message>
            <source>From the first to the last used band</source>
            <translation>从第一个到最后一个所用波段</translation>
        </message>
        <message>
            <source>Left out</source>
            <translation>舍去</translation>
        </message>
        <message>
            <source>Bands that are not used, and why</source>
            <translation>未使用的波段及原因</translation>
        </message>
        <message>
            <source>No data</source>
            <translation>无数据</translation>
        </message>
        <message>
            <source>Share of pixels without data or masked</source>
            <translation>无数据或被掩膜的像元所占比例</translation>
        </message>
        <message>
            <source>CRS</source>
            <translation>坐标系</translation>
        </message>
        <message>
            <source>Coordinate reference system</source>
            <translation>坐标参照系</translation>
        </message>
        <message>
            <source>Open a Hyperspectral Raster</source>
            <translation>打开高光谱栅格</translation>
        </message>
        <message>
            <source>Open the Folder of a Product</source>
            <translation>打开产品文件夹</translation>
        </message>
        <message>
            <source>Looking for the scene of {}…</source>
            <translation>正在查找 {} 的影像…</translation>
        </message>
        <message>
            <source>{} is not a raster that QGIS can read.</source>
            <translation>{} 不是 QGIS 能读取的栅格。</translation>
        </message>
        <message>
            <source>Choose a hyperspectral raster, or open one.</source>
            <translation>请选择高光谱栅格，或打开一个。</translation>
        </message>
        <message>
            <source>Looking at the raster…</source>
            <translation>正在查看栅格…</translation>
        </message>
        <message>
            <source>{} px, {} bands used</source>
            <translation>{} px，使用 {} 个波段</translation>
        </message>
        <message>
            <source>{:.0f} to {:.0f} nm</source>
            <translation>{:.0f} 到 {:.0f} nm</translation>
        </message>
        <message>
            <source>not in the file</source>
            <translation>文件中没有</translation>
        </message>
        <message>
            <source>{} of {}</source>
            <translation>{} / {}</translation>
        </message>
        <message>
            <source>none</source>
            <translation>无</translation>
        </message>
        <message>
            <source>{} px masked</source>
            <translation>{} px 被掩膜</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>The bands are not known yet.</source>
            <translation>波段尚不清楚。</translation>
        </message>
        <message>
            <source>The raster has no wavelengths.</source>
            <translation>栅格没有波长信息。</translation>
        </message>
        <message>
            <source>The raster has no bands near {} nm.</source>
            <translation>栅格在 {} nm 附近没有波段。</translation>
        </message>
    </context>
    <context>
        <name>SectionJob</name>
        <message>
            <source>{}…</source>
            <translation>{}…</translation>
        </message>
    </context>
    <context>
        <name>SetUpDialog</name>
        <message>
            <source>Set Up the MTMSD Engine</source>
            <translation>安装 MTMSD 引擎</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>上一步(&amp;B)</translation>
        </message>
        <message>
            <source>Choose otherwise: folder, device, source</source>
            <translation>另行选择：文件夹、设备、来源</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>取消(&amp;C)</translation>
        </message>
        <message>
            <source>Stop; what was fetched is kept for the next time</source>
            <translation>停止；已下载的内容留待下次使用</translation>
        </message>
        <message>
            <source>Begin: now something is fetched and written</source>
            <translation>开始：现在会下载并写入</translation>
        </message>
        <message>
            <source>C&amp;lose</source>
            <translation>关闭(&amp;L)</translation>
        </message>
        <message>
            <source>Close this window; the set-up goes on and the dock shows it</source>
            <translation>关闭此窗口；安装继续进行，面板会显示</translation>
        </message>
        <message>
            <source>Close this window</source>
            <translation>关闭此窗口</translation>
        </message>
        <message>
            <source>&amp;Try Again</source>
            <translation>重试(&amp;T)</translation>
        </message>
        <message>
            <source>&amp;Use This Python</source>
            <translation>使用此 Python(&amp;U)</translation>
        </message>
        <message>
            <source>&amp;Set Up</source>
            <translation>安装(&amp;S)</translation>
        </message>
        <message>
            <source>Wait until the engine is set up.</source>
            <translation>请等待引擎安装完毕。</translation>
        </message>
        <message>
            <source>Wait: this machine is being looked at.</source>
            <translation>请稍候：正在查看本机。</translation>
        </message>
        <message>
            <source>This cannot be set up; the text above says why.</source>
            <translation>无法安装；上面的文字说明了原因。</translation>
        </message>
    </context>
    <context>
        <name>SpectraImport</name>
        <message>
            <source>Import Spectra…</source>
            <translation>导入光谱…</translation>
        </message>
        <message>
            <source>Spectra of a library, at the scene's bands and in its units: ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD</source>
            <translation>光谱库中的光谱，换算到影像的波段和单位：ENVI（.sli）、CSV、USGS 或 ECOSTRESS 的文本、ASD</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>Imported ({}, {} of them train)</source>
            <translation>已导入（{}，其中 {} 条参与训练）</translation>
        </message>
        <message>
            <source>Imported ({})</source>
            <translation>已导入（{}）</translation>
        </message>
        <message>
            <source>The imported spectra, dashed in the plot; train with them or remove them here</source>
            <translation>导入的光谱，在图中为虚线；可在此用于训练或移除</translation>
        </message>
        <message>
            <source>Remove</source>
            <translation>移除</translation>
        </message>
        <message>
            <source>Use None for Training</source>
            <translation>均不用于训练</translation>
        </message>
        <message>
            <source>Remove All</source>
            <translation>全部移除</translation>
        </message>
        <message>
            <source>Not Used for Training</source>
            <translation>不用于训练</translation>
        </message>
        <message>
            <source>Train {}</source>
            <translation>训练 {}</translation>
        </message>
        <message>
            <source>Train a New Class</source>
            <translation>训练新类别</translation>
        </message>
        <message>
            <source>{} has no values at {} of the scene's bands, so it cannot train; leave these bands out, then import it again.</source>
            <translation>{} 在影像的 {} 个波段上没有值，因此无法训练；请舍去这些波段，然后重新导入。</translation>
        </message>
        <message>
            <source>The class is gone that these spectra trained: {}.</source>
            <translation>这些光谱所训练的类别已不存在：{}。</translation>
        </message>
        <message>
            <source>Import Spectra</source>
            <translation>导入光谱</translation>
        </message>
        <message>
            <source>Spectral libraries</source>
            <translation>光谱库</translation>
        </message>
        <message>
            <source>All files</source>
            <translation>所有文件</translation>
        </message>
        <message>
            <source>The engine sees other bands of the scene now; open it again.</source>
            <translation>引擎现在所用的影像波段已不同；请重新打开影像。</translation>
        </message>
        <message>
            <source>{} spectra were imported.</source>
            <translation>已导入 {} 条光谱。</translation>
        </message>
    </context>
    <context>
        <name>SpectraPins</name>
        <message>
            <source>Pin</source>
            <translation>固定</translation>
        </message>
        <message>
            <source>Remove Pins</source>
            <translation>移除固定点</translation>
        </message>
        <message>
            <source>Export Spectra…</source>
            <translation>导出光谱…</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>Click pixels in the map: their spectra stay in the plot</source>
            <translation>单击地图中的像元：其光谱会留在图中</translation>
        </message>
        <message>
            <source>There are no pinned spectra.</source>
            <translation>没有固定的光谱。</translation>
        </message>
        <message>
            <source>Take the pinned spectra out of the plot</source>
            <translation>将固定的光谱从图中移除</translation>
        </message>
        <message>
            <source>Classes (mean, standard deviation) and pins as CSV, .sli or GeoPackage</source>
            <translation>类别（均值、标准差）和固定点，导出为 CSV、.sli 或 GeoPackage</translation>
        </message>
        <message>
            <source>There are no spectra yet: draw polygons, or pin pixels.</source>
            <translation>尚无光谱：请绘制多边形或固定像元。</translation>
        </message>
        <message>
            <source>There is no data at that place.</source>
            <translation>该处没有数据。</translation>
        </message>
        <message>
            <source>pin {}</source>
            <translation>固定点 {}</translation>
        </message>
        <message>
            <source>Export Spectra</source>
            <translation>导出光谱</translation>
        </message>
        <message>
            <source>{} spectra were written to {}.</source>
            <translation>已写出 {} 条光谱到 {}。</translation>
        </message>
    </context>
    <context>
        <name>SpectraPlot</name>
        <message>
            <source>cursor</source>
            <translation>光标处</translation>
        </message>
        <message>
            <source>As read: values up to {} are no reflectance</source>
            <translation>原始值：最大达 {}，不是反射率</translation>
        </message>
        <message>
            <source>Reflectance: values ÷ {}</source>
            <translation>反射率：值 ÷ {}</translation>
        </message>
        <message>
            <source>Each from its least to its greatest value</source>
            <translation>每条从其最小值到最大值</translation>
        </message>
        <message>
            <source>Continuum removed, none over gaps</source>
            <translation>已去除连续统，缺口处除外</translation>
        </message>
        <message>
            <source>band {}</source>
            <translation>波段 {}</translation>
        </message>
        <message>
            <source>Point at the scene on the map</source>
            <translation>请在地图上指向影像</translation>
        </message>
    </context>
    <context>
        <name>SpectraSection</name>
        <message>
            <source>5  Spectra</source>
            <translation>5  光谱</translation>
        </message>
        <message>
            <source>Mean and standard deviation of each class; dashed: the pixel at the cursor. The wheel or a drag zooms, a double click goes back</source>
            <translation>各类别的均值和标准差；虚线：光标处的像元。滚轮或拖动可缩放，双击复原</translation>
        </message>
        <message>
            <source>Jeffries–Matusita distance of two classes: 0 alike, 2 well apart</source>
            <translation>两个类别的 Jeffries–Matusita 距离：0 相同，2 完全分开</translation>
        </message>
        <message>
            <source>nm</source>
            <translation>nm</translation>
        </message>
        <message>
            <source>band</source>
            <translation>波段</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>Point at the map; classes appear with their polygons.</source>
            <translation>请指向地图；类别随其多边形出现。</translation>
        </message>
        <message>
            <source>Two classes of 5 pixels or more can be compared.</source>
            <translation>可比较两个各有 5 个以上像元的类别。</translation>
        </message>
        <message>
            <source>Most alike: {} and {} ({} of 2)</source>
            <translation>最相似：{} 和 {}（{} / 2）</translation>
        </message>
    </context>
    <context>
        <name>SpectraView</name>
        <message>
            <source>Scale of the plot alone; what is exported stays as read</source>
            <translation>仅改变图中的标度；导出的仍是原始值</translation>
        </message>
        <message>
            <source>As read</source>
            <translation>原始值</translation>
        </message>
        <message>
            <source>Reflectance, 0 to 1</source>
            <translation>反射率，0 到 1</translation>
        </message>
        <message>
            <source>Min–max of each</source>
            <translation>各自最小–最大</translation>
        </message>
        <message>
            <source>Continuum removed</source>
            <translation>连续统去除</translation>
        </message>
        <message>
            <source>Scale</source>
            <translation>标度</translation>
        </message>
    </context>
    <context>
        <name>SpectralAngle</name>
        <message>
            <source>Spectral Angle…</source>
            <translation>光谱角…</translation>
        </message>
        <message>
            <source>How far each pixel is from the pinned and imported spectra, as a layer</source>
            <translation>每个像元与固定光谱和导入光谱的差异，作为图层</translation>
        </message>
        <message>
            <source>Choose a scene first.</source>
            <translation>请先选择影像。</translation>
        </message>
        <message>
            <source>There are no spectra to measure by: pin pixels, or import spectra.</source>
            <translation>没有可供比较的光谱：请固定像元或导入光谱。</translation>
        </message>
        <message>
            <source>The scene has no wavelengths, by which spectra are compared.</source>
            <translation>影像没有波长，无法据此比较光谱。</translation>
        </message>
    </context>
    <context>
        <name>SpeedEstimate</name>
        <message>
            <source>Meas&amp;ure</source>
            <translation>测量(&amp;U)</translation>
        </message>
        <message>
            <source>Run a few steps on this machine to learn how long this preset takes</source>
            <translation>在本机运行几步以得知此预设需要多久</translation>
        </message>
        <message>
            <source>Measuring on this machine…</source>
            <translation>正在本机上测量…</translation>
        </message>
        <message>
            <source>Takes about {} here</source>
            <translation>在此约需 {}</translation>
        </message>
        <message>
            <source>Time on this machine not measured yet</source>
            <translation>尚未在本机上测量时间</translation>
        </message>
        <message>
            <source>Measuring the speed</source>
            <translation>正在测量速度</translation>
        </message>
    </context>
    <context>
        <name>TrainingLayer</name>
        <message>
            <source>Add class</source>
            <translation>添加类别</translation>
        </message>
        <message>
            <source>Rename class</source>
            <translation>重命名类别</translation>
        </message>
        <message>
            <source>Recolour class</source>
            <translation>更改类别颜色</translation>
        </message>
        <message>
            <source>Load classes</source>
            <translation>加载类别</translation>
        </message>
        <message>
            <source>Merge classes</source>
            <translation>合并类别</translation>
        </message>
        <message>
            <source>Delete classes</source>
            <translation>删除类别</translation>
        </message>
        <message>
            <source>Add polygon</source>
            <translation>添加多边形</translation>
        </message>
        <message>
            <source>Change class</source>
            <translation>更改类别</translation>
        </message>
        <message>
            <source>Import polygons</source>
            <translation>导入多边形</translation>
        </message>
    </context>
    <context>
        <name>TrainingSamples</name>
        <message>
            <source>The pixels cannot be read: {}</source>
            <translation>无法读取像元：{}</translation>
        </message>
    </context>
    <context>
        <name>Workspace</name>
        <message>
            <source>The training polygons {} are gone; the next class begins a new file.</source>
            <translation>训练多边形 {} 已不存在；下一个类别将新建文件。</translation>
        </message>
        <message>
            <source>1 training polygon was recovered: it had not been saved.</source>
            <translation>已恢复 1 个训练多边形：它未曾保存。</translation>
        </message>
        <message>
            <source>{} training polygons were recovered: not all had been saved.</source>
            <translation>已恢复 {} 个训练多边形：并非全部都已保存。</translation>
        </message>
        <message>
            <source>Training – {}</source>
            <translation>训练 – {}</translation>
        </message>
        <message>
            <source>The training polygons {path} were not saved: {reason}</source>
            <translation>训练多边形 {path} 未保存：{reason}</translation>
        </message>
    </context>
    <context>
        <name>_Line</name>
        <message>
            <source>Stop this job; what it learned up to now is kept</source>
            <translation>停止此任务；至今学到的会保留</translation>
        </message>
        <message>
            <source>&amp;Cancel</source>
            <translation>取消(&amp;C)</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>取消</translation>
        </message>
        <message>
            <source>{} – stopping…</source>
            <translation>{} – 正在停止…</translation>
        </message>
        <message>
            <source>Drag: the map is on the left, the scene on the right</source>
            <translation>拖动：左侧为地图，右侧为影像</translation>
        </message>
    </context>
    <context>
        <name>duration</name>
        <message>
            <source>{} s</source>
            <translation>{} 秒</translation>
        </message>
        <message>
            <source>{} min</source>
            <translation>{} 分钟</translation>
        </message>
        <message>
            <source>{} h {} min</source>
            <translation>{} 小时 {} 分钟</translation>
        </message>
        <message>
            <source>{} days</source>
            <translation>{} 天</translation>
        </message>
    </context>
</TS>
